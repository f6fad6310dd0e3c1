"""A client with credentials in Python, which signs and reads refusals as by_hand.py does.

    signed_client.py ADDRESS FOLDER SERVER

ADDRESS, FOLDER and SERVER are those of client.py. Each line of stdin is an order in JSON: a call to make, or a file of
vectors to try; each line of stdout is what came of it. Ends with its stdin.
"""

import base64
import hashlib
import json
import re
import sys
import zlib

import grpc
from by_hand import refusal, sign
from client import connect

TIMEOUT_S = 20


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


def call(channel, order):
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
    return {"ended": [ended(stub, message, list(metadata.items())) for _ in range(order.get("times", 1))]}


def ended(stub, message, metadata):
    try:
        answer = stub(message, timeout=TIMEOUT_S, metadata=metadata)
        # A stream fails where it is read.
        return {"code": "OK", "answers": 1 if isinstance(answer, bytes) else len(list(answer))}
    except grpc.RpcError as error:
        return {"code": error.code().name, **refusal(error.trailing_metadata())}


def answer(channel, order):
    if "vectors" not in order:
        return call(channel, order)
    with open(order["vectors"], encoding="utf-8") as file:
        vectors = json.load(file)
    return try_signatures(vectors) if "requests" in vectors else try_api_keys(vectors)


def main():
    with connect(*sys.argv[1:]) as channel:
        for line in sys.stdin:
            order = json.loads(line)
            print(json.dumps({"id": order["id"], **answer(channel, order)}), flush=True)


if __name__ == "__main__":
    main()
