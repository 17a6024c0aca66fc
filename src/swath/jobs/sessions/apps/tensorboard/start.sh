# TensorBoard's own command knows ports only, which everybody on a node can open: here it gets a socket. Its data
# server, which would listen on a port too, stays off.
exec "$SESSION_PYTHON" - <<'END'
import os
import signal

from tensorboard import default, program
from werkzeug.serving import make_server


class SocketServer(program.TensorBoardServer):
    def __init__(self, wsgi_app, flags):
        self._server = make_server(f"unix://{os.environ['SESSION_SOCKET']}", 0, wsgi_app, threaded=True)

    def serve_forever(self):
        self._server.serve_forever()

    def get_url(self):
        return "http://localhost/"


board = program.TensorBoard(plugins=default.get_plugins(), server_class=SocketServer)
board.configure(argv=["tensorboard", "--logdir", os.environ["SESSION_INPUT_LOGDIR"], "--load_fast", "false"])
board.launch()
signal.pause()
END
