"""A server of PingService in Python, over mutual TLS.

    server.py DESCRIPTORS FOLDER CLIENT

FOLDER has tls.crt, tls.key and ca.crt, CLIENT is the SPIFFE ID that may call. The first line of stdout is the port, each other
one what became of a call. The metadata x-behaviour of a call asks for a call that fails or that does not end. Lets running
calls end when its stdin does.
"""

import concurrent.futures
import json
import pathlib
import sys
import threading

import grpc
from ping import SERVICE, Schema


class OneWorkload(grpc.ServerInterceptor):
    """Lets in one workload: TLS has seen to it that the certificate is of our CA, this looks whose it is."""

    def __init__(self, client):
        def refuse(_, context):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "The workload may not call this method.")

        self.client = client.encode()
        self.refuse = refuse

    def intercept_service(self, continuation, details):
        handler = continuation(details)
        if handler is None:
            return None
        name = "_".join("stream" if each else "unary" for each in (handler.request_streaming, handler.response_streaming))
        inner = getattr(handler, name)

        def checked(request, context):
            uris = context.auth_context().get("peer_spiffe_id", [])
            return (inner if list(uris) == [self.client] else self.refuse)(request, context)

        return handler._replace(**{name: checked})


def notes(context):
    return [(key, value) for key, value in context.invocation_metadata() if key in ("x-note", "x-note-bin")]


def echo(context):
    """Sends the notes of a call back, as headers and as trailers."""
    context.send_initial_metadata(notes(context))
    context.set_trailing_metadata(notes(context))


class Ping:
    def __init__(self, schema):
        self.new = lambda name, **fields: schema.messages[f"zerotrust.testkit.v1.{name}"](**fields)
        self.schema = schema
        self.printing = threading.Lock()

    def Ping(self, request, context):
        echo(context)
        self.behave(context)
        return self.new("PingResponse", text=request.text)

    def PingMany(self, request, context):
        echo(context)
        for index in range(request.count):
            yield self.new("PingManyResponse", text=request.text, index=index)
        self.behave(context)

    def PingSum(self, requests, context):
        echo(context)
        values = [request.value for request in requests]
        self.behave(context)
        return self.new("PingSumResponse", sum=sum(values), count=len(values))

    def PingEach(self, requests, context):
        echo(context)
        for request in requests:
            yield self.new("PingEachResponse", text=request.text)
        self.behave(context)

    def behave(self, context):
        """Does what the metadata asks for, when the messages of a call have been dealt with."""
        sent = dict(context.invocation_metadata())
        call = sent.get("x-call")
        self.tell(call, "began")
        if context.time_remaining() is not None:
            self.tell(call, "timed")
        if sent.get("x-behaviour") == "fail":
            context.set_trailing_metadata([*notes(context), ("grpc-status-details-bin", self.refusal())])
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "Not today.")
        if sent.get("x-behaviour") == "hang":
            ended = threading.Event()
            if context.add_callback(ended.set):
                ended.wait()
            self.tell(call, "ended")

    def refusal(self):
        new = self.schema.messages
        status = new["google.rpc.Status"](code=grpc.StatusCode.FAILED_PRECONDITION.value[0], message="Not today.")
        status.details.add().Pack(new["google.rpc.ErrorInfo"](reason="NOT_TODAY", domain="interop"))
        return status.SerializeToString()

    def tell(self, call, event):
        with self.printing:
            print(json.dumps({"call": call, "event": event}), flush=True)


def handlers(schema, ping):
    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            name: kinds[method.client_streaming, method.server_streaming](
                getattr(ping, name),
                request_deserializer=schema.input(method).FromString,
                response_serializer=schema.output(method).SerializeToString,
            )
            for name, method in schema.methods.items()
        },
    )


def main():
    descriptors, folder, client = sys.argv[1:]
    schema = Schema(descriptors)
    folder = pathlib.Path(folder)
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(max_workers=16),
        interceptors=[OneWorkload(client)],
        compression=grpc.Compression.Gzip,
    )
    server.add_generic_rpc_handlers([handlers(schema, Ping(schema))])
    pair = ((folder / "tls.key").read_bytes(), (folder / "tls.crt").read_bytes())
    credentials = grpc.ssl_server_credentials([pair], (folder / "ca.crt").read_bytes(), require_client_auth=True)
    print(json.dumps({"port": server.add_secure_port("127.0.0.1:0", credentials)}), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(grace=5).wait()


main()
