# Your own configuration at the site (~/.jupyter) holds for all that is not said here. What is said here is how
# JupyterLab is reached: a socket that only you can open; no password on top, since nobody else comes that far.
# Kernels use sockets too (transport ipc): by default everybody on the node could listen to what they print.
export JUPYTER_RUNTIME_DIR="$SESSION_PRIVATE/jupyter"
mkdir -p "$JUPYTER_RUNTIME_DIR"
# An extension of swath's keeps your Dask clusters in the Dask menu; those that notebooks start are seen by /proxy.
mkdir -p "$SESSION_PRIVATE/config/jupyter_server_config.d"
echo '{"ServerApp": {"jpserver_extensions": {"swath.sites.session.jupyter": true}}}' \
  >"$SESSION_PRIVATE/config/jupyter_server_config.d/swath.json"
export JUPYTER_CONFIG_PATH="$SESSION_PRIVATE/config${JUPYTER_CONFIG_PATH:+:$JUPYTER_CONFIG_PATH}"
[ -n "${DASK_DISTRIBUTED__DASHBOARD__LINK:-}" ] || export DASK_DISTRIBUTED__DASHBOARD__LINK='/proxy/{port}/status'
[ -z "${SESSION_INPUT_FOLDER:-}" ] || set -- "--ServerApp.root_dir=$SESSION_INPUT_FOLDER"
exec "$SESSION_PYTHON" -m jupyterlab --no-browser --ServerApp.sock="$SESSION_SOCKET" --ServerApp.sock_mode=0600 \
  --ServerApp.base_url=/ --IdentityProvider.token= --KernelManager.transport=ipc "$@"
