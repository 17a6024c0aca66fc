"""Where credentials are found, and that they never show."""

from __future__ import annotations

import json
import sys

import pytest

from swath.config import Settings, StoreSettings
from swath.model import InputError, NotAllowedError
from swath.storage.credentials import Secret, find_credentials

WEB = "davs://host.example:2880/x"


def found(environ, *, s3=False, **settings):
    """Find the secret of a store."""
    told = StoreSettings.model_validate({"url": "s3://eo" if s3 else WEB} | settings)
    credentials = find_credentials("mine", told, host="host.example:2880", s3=s3, environ=environ)
    return credentials.secret()


@pytest.fixture
def home(tmp_path):
    """A home with AWS' files, a netrc file and tokens."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = dk\naws_secret_access_key = ds%%\n"
        "[me]\naws_access_key_id = mk\naws_secret_access_key = ms\naws_session_token = mt\n"
    )
    printed = {"AccessKeyId": "pk", "SecretAccessKey": "ps", "Expiration": "2999-01-01T00:00:00Z"}
    (tmp_path / "printed").write_text(json.dumps(printed))
    (tmp_path / ".aws" / "config").write_text(
        f"[profile tool]\ncredential_process = cat {tmp_path}/printed\n"
        "[profile sso]\nsso_session = work\nsso_account_id = 1\nsso_role_name = r\n[sso-session work]\n"
        "sso_start_url = https://host.example\n[profile role]\nrole_arn = arn:aws:iam::1:role/r\n"
        "[profile empty]\nregion = eu-west-1\n"
    )
    (tmp_path / ".netrc").write_text("machine host.example login nl password np\n")
    (tmp_path / ".netrc").chmod(0o600)
    (tmp_path / "token").write_text("MDAx\n")
    (tmp_path / "rclone.conf").write_text("[x]\ntype = webdav\nbearer_token = MDAy\n")
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "environ", "secret"),
    [
        ({"user": "u", "password": "p"}, {}, Secret(user="u", password="p")),
        ({"token": "t"}, {}, Secret(token="t")),
        ({}, {}, Secret(user="nl", password="np")),
        ({"credentials": "none"}, {}, Secret()),
        ({"credentials": "netrc"}, {}, Secret(user="nl", password="np")),
        ({"credentials": "token-file:{home}/token"}, {}, Secret(token="MDAx")),
        ({"credentials": "token-file:{home}/rclone.conf"}, {}, Secret(token="MDAy")),
        ({"credentials": "command:echo tok"}, {}, Secret(token="tok")),
        ({"credentials": "oidc"}, {"BEARER_TOKEN": "b"}, Secret(token="b")),
        ({"credentials": "oidc"}, {"BEARER_TOKEN_FILE": "{home}/token"}, Secret(token="MDAx")),
        ({"kind": "dcache"}, {"BEARER_TOKEN": "b"}, Secret(token="b")),
        ({}, {"BEARER_TOKEN": "b"}, Secret(user="nl", password="np")),  # it is not sent to any host
    ],
)
def test_web(home, settings, environ, secret):
    settings = {key: value.format(home=home) for key, value in settings.items()}
    environ = {key: value.format(home=home) for key, value in environ.items()}
    assert found({"HOME": str(home), **environ}, **settings) == secret


@pytest.mark.parametrize(
    ("settings", "environ", "key"),
    [
        ({"key": "k", "secret": "s"}, {"AWS_ACCESS_KEY_ID": "e"}, "k"), ({}, {"AWS_ACCESS_KEY_ID": "e"}, "e"),
        ({}, {}, "dk"), ({}, {"AWS_PROFILE": "me"}, "mk"), ({"credentials": "profile:me"}, {}, "mk"),
        ({"credentials": "profile:tool"}, {}, "pk"), ({}, {"AWS_NO_SIGN_REQUEST": "YES"}, ""),
        ({"credentials": "none"}, {"AWS_ACCESS_KEY_ID": "e"}, ""),
    ],
)  # fmt: skip
def test_s3(home, settings, environ, key):
    assert found({"HOME": str(home), **environ}, s3=True, **settings).key == key


@pytest.mark.parametrize(
    ("settings", "s3", "said"),
    [
        ({"credentials": "profile:em"}, True, "no profile 'em'"),
        ({"credentials": "profile:empty"}, True, "'empty' has no keys"),
        ({"credentials": "environment"}, True, "none for 'mine'"),
        ({"credentials": "oidc"}, False, "none for 'mine'"),
        ({"credentials": "token-file:/nowhere/at/all"}, False, "cannot be read"),
        ({"credentials": "command:false"}, False, "'false' fails"),
        ({"credentials": "command:no-such-program-here"}, False, "fails"),
        ({"credentials": "command:echo two words"}, False, "gives no token"),
    ],
)
def test_what_is_missing_is_told(home, settings, s3, said):
    with pytest.raises(NotAllowedError, match=said):
        found({"HOME": str(home), "XDG_RUNTIME_DIR": str(home)}, s3=s3, **settings)


def test_a_token_that_changes_is_read_again(home):
    told = StoreSettings(url=WEB, credentials=f"token-file:{home}/token")
    credentials = find_credentials("mine", told, host="h")
    first = credentials.secret()
    assert not credentials.renew(first)
    (home / "new").write_text("MDAz")
    (home / "new").replace(home / "token")
    assert credentials.renew(first)
    assert credentials.secret() == Secret(token="MDAz")


def test_a_command_runs_again_when_its_token_is_refused_or_ends(tmp_path):
    script = tmp_path / "print.py"
    script.write_text(
        "import json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "print(json.dumps({'access_token': f't{number}', 'expires_in': 3600 if number > 1 else 30}))\n"
    )
    told = StoreSettings(url=WEB, credentials=f"command:{sys.executable} {script}")
    credentials = find_credentials("mine", told, host="h")
    assert credentials.secret().token == "t1"
    assert credentials.secret().token == "t2"  # the first one would have ended too soon
    assert credentials.secret().token == "t2"
    assert credentials.renew(credentials.secret())
    assert credentials.secret().token == "t3"


def test_secrets_do_not_print():
    secret = Secret(user="me", password="hush1", token="hush2", key="hush3", secret="hush4", session="hush5")
    told = StoreSettings(url=WEB, password="hush6", token="hush7", secret="hush8")
    for each in (secret, told, told.model_dump(), told.model_dump_json()):
        assert "hush" not in repr(each)
        assert "hush" not in str(each)


@pytest.mark.parametrize(
    ("stores", "said"),
    [
        ({"a": {"url": "s3://x"}}, "cannot be a store's name"),
        ({"s3": {"url": "s3://x"}}, "cannot be a store's name"),
        ({"ab": {}}, "url"), ({"ab": {"url": "ftp://x"}}, "no address of a store"),
        ({"ab": {"url": "s3://x", "credentials": "profile"}}, "says not where"),
        ({"ab": {"url": "s3://x", "credentials": "vault:x"}}, "says not where"),
        ({"ab": {"url": "s3://x", "ur": 1}}, "'ur' is not known"),
        ({"ab": {"url": "x", "kind": "nfs"}}, "no kind"),
    ],
)  # fmt: skip
def test_wrong_settings_are_told(stores, said):
    with pytest.raises(InputError, match=said):
        Settings.parse({"stores": stores})


def test_settings_come_from_the_environment(tmp_path):
    environ = {"HOME": str(tmp_path), "SWATH_STORES__mine__URL": WEB, "SWATH_STORES__mine__TOKEN": "abc"}
    settings = Settings.read(tmp_path, environ)
    assert settings.stores["mine"].token.get_secret_value() == "abc"


AWS = """#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
(here / "asked").write_text(" ".join(sys.argv[1:]))
if not (here / "signed-in").exists():
    sys.exit("Error when retrieving token from sso: Token has expired and refresh failed")
print(json.dumps({{"Version": 1, "AccessKeyId": "sk", "SecretAccessKey": "ss", "SessionToken": "st",
                   "Expiration": "2999-01-01T00:00:00Z"}}))
"""


@pytest.mark.parametrize("name", ["sso", "role"])
def test_a_profile_that_signs_in_is_asked_of_awss_tool(home, name):
    """A program of this name stands for the tool, and answers as it does."""
    tools = home / "tools"
    tools.mkdir()
    environ = {"HOME": str(home), "PATH": str(tools)}
    with pytest.raises(NotAllowedError, match=f"the profile '{name}' signs in or takes a role") as error:
        found(environ, s3=True, credentials=f"profile:{name}")
    assert f"aws sso login --profile {name}" in error.value.fix
    (tools / "aws").write_text(AWS.format(python=sys.executable))
    (tools / "aws").chmod(0o755)
    with pytest.raises(NotAllowedError, match=r"aws' fails \(.*Token has expired and refresh failed\)"):
        found(environ, s3=True, credentials=f"profile:{name}")
    (tools / "signed-in").touch()
    secret = found(environ, s3=True, credentials=f"profile:{name}")
    assert (secret.key, secret.secret, secret.session) == ("sk", "ss", "st")
    assert (tools / "asked").read_text() == f"configure export-credentials --profile {name} --format process"


def test_oidc_agent_gives_tokens_by_its_command(tmp_path):
    """A program named as oidc-agent's prints a token as that does; the name of the account goes with it."""
    script = tmp_path / "oidc-token"
    script.write_text(f"#!{sys.executable}\nimport sys\nprint('token-of-' + sys.argv[1])\n")
    script.chmod(0o755)
    assert found({}, credentials=f"command:{script} surf") == Secret(token="token-of-surf")
