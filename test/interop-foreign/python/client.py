"""A client of PingService in Python, over mutual TLS.

    client.py DESCRIPTORS ADDRESS FOLDER SERVER

ADDRESS is host:port, FOLDER has tls.crt, tls.key and ca.crt (without tls.crt it shows no certificate), SERVER is the SPIFFE
ID of the workload to reach. Each line of stdin is a call in JSON, or the word to cancel one; each line of stdout is how a
call ended. Ends with its stdin.
"""

import base64
import json
import pathlib
import sys
import threading
import urllib.parse

import grpc
from ping import SERVICE, Schema


def connect(address, folder, server, compression=grpc.Compression.NoCompression):
    """Opens a channel to one workload, which must have a certificate of our CA for the workload's DNS name.

    grpcio can check no more of the server than that: the CA must not give one workload's DNS name to another one.
    """
    workload = urllib.parse.urlsplit(server)
    name = f"{workload.path.rsplit('/', 1)[-1]}.{workload.netloc}"
    folder = pathlib.Path(folder)
    own = folder / "tls.crt"
    credentials = grpc.ssl_channel_credentials(
        root_certificates=(folder / "ca.crt").read_bytes(),
        private_key=(folder / "tls.key").read_bytes() if own.exists() else None,
        certificate_chain=own.read_bytes() if own.exists() else None,
    )
    # A proxy of the environment would see whom we call.
    options = [("grpc.ssl_target_name_override", name), ("grpc.enable_http_proxy", 0)]
    return grpc.secure_channel(address, credentials, options, compression)


def paced(requests, answered):
    """Gives one message, and each other one when the one before has been answered."""
    for request in requests:
        yield request
        answered.acquire()


def start(channel, schema, order, answered):
    """Starts a call of any kind: an object that is the call, its responses, and its future."""
    method = schema.methods[order["method"]]
    kinds = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    stub = kinds[method.client_streaming, method.server_streaming](
        f"/{SERVICE}/{method.name}",
        request_serializer=schema.input(method).SerializeToString,
        response_deserializer=schema.output(method).FromString,
    )
    parsed = [schema.input(method).FromString(base64.b64decode(each)) for each in order["requests"]]
    request = parsed[0]
    if method.client_streaming:
        request = paced(parsed, answered) if method.server_streaming else iter(parsed)
    call = stub if method.server_streaming else stub.future
    return call(
        request,
        timeout=order["timeoutMs"] / 1000,
        metadata=[(key, base64.b64decode(value) if key.endswith("-bin") else value) for key, value in order["metadata"].items()],
        wait_for_ready=order["waitForReady"],
    )


def end(call, schema, order, answered):
    """Waits for a call. Its responses are those that came before its end, whatever that was."""
    responses = []
    try:
        for response in call if schema.methods[order["method"]].server_streaming else [call.result()]:
            responses.append(response)
            answered.release()
    except (grpc.RpcError, grpc.FutureCancelledError):
        pass
    return {
        "id": order["id"],
        "responses": [base64.b64encode(each.SerializeToString()).decode() for each in responses],
        "code": call.code().value[0],
        "message": call.details(),
        "headers": printable(call.initial_metadata()),
        "trailers": printable(call.trailing_metadata()),
        "reason": reason(call.trailing_metadata(), schema),
    }


def printable(metadata):
    entries = {}
    for key, value in metadata or ():
        entries.setdefault(key, []).append(base64.b64encode(value).decode() if key.endswith("-bin") else value)
    return entries


def reason(trailers, schema):
    """Why a call was refused, for programs: `PEER_NOT_GRANTED`. It is in the google.rpc.ErrorInfo of the status."""
    info = schema.messages["google.rpc.ErrorInfo"]()
    for key, value in trailers or ():
        if key == "grpc-status-details-bin":
            for detail in schema.messages["google.rpc.Status"].FromString(value).details:
                if detail.Unpack(info):
                    return info.reason
    return ""


def main():
    schema = Schema(sys.argv[1])
    printing = threading.Lock()
    running = {}

    def run(order):
        answered = threading.Semaphore(0)
        call = start(gzipped if order["gzip"] else plain, schema, order, answered)
        running[order["id"]] = call

        def finish():
            result = end(call, schema, order, answered)
            # Lets the thread end that gives the requests.
            answered.release()
            with printing:
                print(json.dumps(result), flush=True)

        threading.Thread(target=finish, daemon=True).start()

    # A call can ask for compression too, but grpcio 1.51 forgets it where a stream of requests has a future.
    where = sys.argv[2:]
    with connect(*where) as plain, connect(*where, grpc.Compression.Gzip) as gzipped:
        for line in sys.stdin:
            order = json.loads(line)
            if order.get("cancel"):
                running[order["id"]].cancel()
            else:
                run(order)


if __name__ == "__main__":
    main()
