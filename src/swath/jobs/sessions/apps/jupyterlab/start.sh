# Your own configuration at the site (~/.jupyter) holds for all that is not said here. What is said here is how
# JupyterLab is reached: a socket that only you can open; no password on top, since nobody else comes that far.
# Kernels use sockets too (transport ipc): by default everybody on the node could listen to what they print.
export JUPYTER_RUNTIME_DIR="$SESSION_PRIVATE/jupyter"
mkdir -p "$JUPYTER_RUNTIME_DIR"
[ -z "${SESSION_INPUT_FOLDER:-}" ] || set -- "--ServerApp.root_dir=$SESSION_INPUT_FOLDER"
exec "$SESSION_PYTHON" -m jupyterlab --no-browser --ServerApp.sock="$SESSION_SOCKET" --ServerApp.sock_mode=0600 \
  --ServerApp.base_url=/ --IdentityProvider.token= --KernelManager.transport=ipc "$@"
