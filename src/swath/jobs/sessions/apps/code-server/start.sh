# Its socket can be opened by its user only, so that no password is needed on top.
exec code-server --socket "$SESSION_SOCKET" --socket-mode 600 --auth none --disable-telemetry \
  --disable-update-check "${SESSION_INPUT_FOLDER:-$HOME}"
