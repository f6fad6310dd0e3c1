import { create } from "@bufbuild/protobuf";
import { type Client, makeClientConstructor, type ServiceError } from "@grpc/grpc-js";
import { PingRequestSchema } from "@zero-trust/testkit";
import type { Call } from "../closed-loop.ts";
import { pingDefinition } from "../servers/ping-definition.ts";

export const Stub: ReturnType<typeof makeClientConstructor> = makeClientConstructor(pingDefinition, "PingService");

/** Makes one call after another with a stub of grpc-js, and looks at the answers. */
export function callsOf(stub: InstanceType<typeof Stub> & Client, bodyBytes: number): Call {
  const request = create(PingRequestSchema, { text: "x".repeat(bodyBytes - 3) });
  return (_lane, done) => {
    stub["ping"]?.(request, (error: ServiceError | null, answer?: { readonly text: string }) => {
      if (error === null) done(answer?.text === request.text ? undefined : "another text");
      else done(`status ${error.code}`);
    });
  };
}
