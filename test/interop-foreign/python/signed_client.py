"""A client with credentials in Python: API keys, bearer tokens and signatures, written from their contract alone.

    signed_client.py DESCRIPTORS ADDRESS FOLDER SERVER

ADDRESS, FOLDER and SERVER are those of client.py. Each line of stdin is an order in JSON: a call to make, or a file of
vectors to try; each line of stdout is what came of it. Ends with its stdin.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import sys
import time
import zlib

import grpc
from client import connect
from ping import Schema

TIMEOUT_S = 20


# page: sign
def sign(key_id, secret, path, message, timestamp=None, nonce=None):
    """The metadata of one call. `path` is /package.Service/Method, `message` the serialized request."""
    timestamp = timestamp or str(int(time.time()))
    nonce = nonce or secrets.token_hex(16)
    head = f"POST\n{path}\n{timestamp}\n{nonce}\n".encode("ascii")
    signature = hmac.new(secret.encode("ascii"), head + message, hashlib.sha256).hexdigest()
    return {
        "x-api-key": key_id,
        "x-timestamp": timestamp,
        "x-nonce": nonce,
        "x-signature": signature,
    }
# end


def well_formed(key, pattern):
    """Whether an API key was copied whole, which needs no server to tell."""
    checksum = format(zlib.crc32(key[:-8].encode()), "08x")
    return re.fullmatch(pattern, key) is not None and key[-8:] == checksum


def try_signatures(vectors):
    """The names of those requests that are let in, and that we would have signed otherwise."""
    secret_of = {key["id"]: key["secret"] for key in vectors["keys"]}
    wrong = []
    served = [each for each in vectors["requests"] if each["code"] == "OK"]
    for request in served:
        sent, message = request["metadata"], request["message"]
        content = bytes.fromhex(message["hex"] if "hex" in message else message["repeatHex"] * message["times"])
        key_id = sent["x-api-key"]
        signed = sign(key_id, secret_of[key_id], request["path"], content, sent["x-timestamp"], sent["x-nonce"])
        if signed != sent:
            wrong.append(request["name"])
    return {"tried": len(served), "wrong": wrong}


def try_api_keys(vectors):
    """The names of the keys of which we think otherwise."""
    wrong = [
        each["name"] for each in vectors["presented"] if well_formed(each["key"], vectors["pattern"]) != each["wellFormed"]
    ]
    for record in vectors["records"]:
        if hashlib.sha256(record["key"].encode("ascii")).hexdigest() != record["sha256"]:
            wrong.append(record["id"])
    return {"tried": len(vectors["presented"]) + len(vectors["records"]), "wrong": wrong}


def call(channel, schema, order):
    """Makes a call, as often as it is to be made with the same metadata, and says how each one ended."""
    message = base64.b64decode(order["message"])
    metadata = dict(order.get("metadata", {}))
    if "sign" in order:
        how = order["sign"]
        content = base64.b64decode(how["message"]) if "message" in how else message
        metadata.update(sign(how["keyId"], how["secret"], how.get("path", order["path"]), content, how.get("timestamp")))
    if "flip" in order:
        value = metadata[order["flip"]]
        metadata[order["flip"]] = value[:-1] + format(int(value[-1], 16) ^ 1, "x")
    stub = (channel.unary_stream if order.get("stream") else channel.unary_unary)(order["path"])
    return {"ended": [ended(stub, schema, message, list(metadata.items())) for _ in range(order.get("times", 1))]}


def ended(stub, schema, message, metadata):
    try:
        answer = stub(message, timeout=TIMEOUT_S, metadata=metadata)
        # A stream fails where it is read.
        return {"code": "OK", "answers": 1 if isinstance(answer, bytes) else len(list(answer))}
    except grpc.RpcError as error:
        return {"code": error.code().name, **error_info(error.trailing_metadata(), schema)}


def error_info(trailers, schema):
    """Reason and metadata of the google.rpc.ErrorInfo that the refusal came with."""
    info = schema.messages["google.rpc.ErrorInfo"]()
    for key, value in trailers or ():
        if key == "grpc-status-details-bin":
            for detail in schema.messages["google.rpc.Status"].FromString(value).details:
                if detail.Unpack(info):
                    return {"reason": info.reason, "domain": info.domain, "metadata": dict(info.metadata)}
    return {}


def answer(channel, schema, order):
    if "vectors" not in order:
        return call(channel, schema, order)
    with open(order["vectors"], encoding="utf-8") as file:
        vectors = json.load(file)
    return try_signatures(vectors) if "requests" in vectors else try_api_keys(vectors)


def main():
    schema = Schema(sys.argv[1])
    with connect(*sys.argv[2:]) as channel:
        for line in sys.stdin:
            order = json.loads(line)
            print(json.dumps({"id": order["id"], **answer(channel, schema, order)}), flush=True)


if __name__ == "__main__":
    main()
