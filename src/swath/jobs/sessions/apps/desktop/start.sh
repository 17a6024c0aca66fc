# Nothing here listens on a port: VNC and its page are sockets in folders that only you can enter, and X asks for a cookie.
exec "$SESSION_PYTHON" "$SESSION_FOLDER/app/desktop.py"
