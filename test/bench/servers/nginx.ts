// nginx ends mutual TLS in front of grpc-js without TLS, as its documentation shows it: who has no certificate gets no further, and
// what is behind trusts the network between them. Both share the core, and the processor time is that of both.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { freePort } from "../../scaling/free-port.ts";
import { findProgram } from "../found-program.ts";
import { isOpen } from "../is-open.ts";
import { bind } from "./bind.ts";
import { given, listensOn } from "./given.ts";
import { pingDefinition, pingImplementation } from "./ping-definition.ts";

const { material, folder } = await given();
const server = new Server();
server.addService(pingDefinition, pingImplementation);
const backend = await bind(server, ServerCredentials.createInsecure());
const port = await freePort();

// Without an end to what a connection is good for, as the load keeps its own; without an access log, as the reference writes none.
const configuration = `
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream ping {
    server 127.0.0.1:${backend};
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} ssl http2;
    keepalive_requests 1000000000;
    ssl_protocols TLSv1.3;
    ssl_certificate tls.crt;
    ssl_certificate_key tls.key;
    ssl_client_certificate ca.crt;
    ssl_verify_client on;
    ssl_verify_depth 3;
    location / {
      grpc_pass grpc://ping;
    }
    error_page 495 496 = @unauthenticated;
    location @unauthenticated {
      default_type application/grpc;
      add_header grpc-status 16;
      return 204;
    }
  }
}
`;
const home = join(folder, "nginx");
mkdirSync(home);
const files = { "nginx.conf": configuration, "tls.crt": material.tls.cert, "ca.crt": material.tls.ca };
for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text);
writeFileSync(join(home, "tls.key"), material.tls.key, { mode: 0o600 });

// What the system keeps no list of children for would be measured without them.
if (!existsSync(`/proc/${process.pid}/task/${process.pid}/children`))
  throw new Error("Linux does not say what nginx takes.");
const program = [findProgram("nginx") ?? "nginx", "-p", home, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"];
// It ends with this process, however that ends.
const nginx = spawn("setpriv", ["--pdeathsig", "TERM", ...program], { stdio: ["ignore", "ignore", "inherit"] });
nginx.on("exit", (code) => process.exit(code ?? 1));

while (!(await isOpen(port))) await setTimeout(20);
listensOn(port);
