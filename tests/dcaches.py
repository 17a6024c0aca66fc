"""A plain client of an emulated dCache."""

import requests

ROOT = "/pnfs/example.org/data"


class Client(requests.Session):
    """Requests as one user, at the one door or the other."""

    def __init__(self, dcache, auth=("alice", "secret"), token=None):
        super().__init__()
        self.trust_env = False
        self.dcache = dcache
        self.auth = None if token else auth
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def dav(self, method, path, **more):
        return self.request(method, self.dcache.webdav_url + path, timeout=20, **more)

    def api(self, method, path, **more):
        return self.request(method, f"{self.dcache.api_url}/{path}", timeout=20, **more)

    def macaroon(self, *caveats, path="/", **more):
        answer = self.dav(
            "POST",
            path,
            json={"caveats": list(caveats), **more},
            headers={"Content-Type": "application/macaroon-request"},
        )
        assert answer.status_code == 200, answer.reason
        return answer.json()["macaroon"]
