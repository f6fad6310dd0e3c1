// Ours, below the stub of the reference: `connect()` with a token and a signature.
import { credentials } from "@grpc/grpc-js";
import { withCredentials } from "./credentials.ts";
import { given, obeyWith } from "./given.ts";
import { callsOf, Stub } from "./stub.ts";

const options = await given();
const channels = withCredentials(options);
const stub = new Stub(channels.target, credentials.createInsecure(), { channelOverride: channels.channel() });
obeyWith(callsOf(stub, options.bodyBytes));
