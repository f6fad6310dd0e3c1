import type { ServiceDefinition } from "@grpc/grpc-js";
import { type Fields, type Generator, labelPath, pingManyPath } from "./generator.ts";

const write = (message: Fields) => Buffer.from(JSON.stringify(message));
const read = (bytes: Buffer) => JSON.parse(bytes.toString()) as Fields;

/** No generator: serializers written by hand, for messages that are not even Protocol Buffers. */
export function handWritten(): Generator {
  return {
    name: "hand-written JSON",
    ping: {
      ping: method("Ping", false, false),
      many: method("PingMany", false, true),
      sum: method("PingSum", true, false),
      each: method("PingEach", true, true),
    },
    labels: { label: { ...method("Label", false, false), path: labelPath } },
    unusual: [
      {
        what: "white space, another order and an unknown member",
        path: pingManyPath,
        bytes: Buffer.from('{ "count": 2,\n"more": null, "text": "hell\\u006f" }'),
        means: { text: "hello", count: 2 },
      },
      {
        what: "a key that is there twice",
        path: labelPath,
        bytes: Buffer.from('{"labels":{"z":"1","b":"2","a":"3","a":"4"}}'),
        means: { labels: { z: "1", b: "2", a: "4" } },
      },
    ],
  };
}

function method(name: string, requestStream: boolean, responseStream: boolean): ServiceDefinition[string] {
  return {
    path: `/zerotrust.testkit.v1.PingService/${name}`,
    requestStream,
    responseStream,
    requestSerialize: write,
    requestDeserialize: read,
    responseSerialize: write,
    responseDeserialize: read,
  };
}
