# marimo listens on a port of the node's loopback only; the password keeps other users of the node out.
exec "$SESSION_PYTHON" -m marimo --quiet edit --headless --host 127.0.0.1 --port "$SESSION_PORT" \
  --token-password-file "$SESSION_PASSWORD_FILE" "${SESSION_INPUT_NOTEBOOK:-$HOME}"
