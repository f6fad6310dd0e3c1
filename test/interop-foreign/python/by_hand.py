"""A client that knows nothing but docs/wire.md: grpcio for the calls, the standard library for the rest.

Where the services are is in the environment. try_by_hand.py makes calls with it.
"""

import base64
import hashlib
import hmac
import http.client
import io
import json
import os
import pathlib
import secrets
import socket
import ssl
import time
import urllib.parse

import grpc

TIMEOUT_S = 20


# Messages. Of their wire format these calls need text, numbers, and messages within messages.
def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number):
    head = b""
    while number > 0x7F:
        head += bytes([number & 0x7F | 0x80])
        number >>= 7
    return head + bytes([number])


def fields(message):
    """The values of each field by its number: whole numbers, or bytes that may be text or a message."""
    found = {}
    stream = io.BytesIO(message)
    while stream.tell() < len(message):
        tag = read_varint(stream)
        kind = tag & 7
        value = read_varint(stream) if kind == 0 else stream.read({1: 8, 5: 4}[kind] if kind != 2 else read_varint(stream))
        found.setdefault(tag >> 3, []).append(value)
    return found


def read_varint(stream):
    number, shift = 0, 0
    while True:
        byte = stream.read(1)[0]
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number


# Mutual TLS.
def connect(service, workload, address=None):
    """A channel to a service, as a workload. grpcio can check the DNS name of the service, and not its SPIFFE ID."""
    folder = pathlib.Path(os.environ["PKI"], workload)
    files = [(folder / name).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt")]
    options = [
        ("grpc.ssl_target_name_override", f"{service}-service.production.internal"),
        # A proxy of the environment would see whom we call, and another channel's connection is another caller's.
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    credentials = grpc.ssl_channel_credentials(*files)
    return grpc.secure_channel(address or os.environ[service.upper()], credentials, options)


def call(channel, path, message=b"", metadata=None):
    """The fields of the answer."""
    sent = list((metadata or {}).items())
    return fields(channel.unary_unary(path)(message, timeout=TIMEOUT_S, metadata=sent))


def last_of(channel, path, message, metadata):
    """The fields of the last of several answers."""
    *_, last = channel.unary_stream(path)(message, timeout=TIMEOUT_S, metadata=list(metadata.items()))
    return fields(last)


# A bearer token.
def ask_for_token(workload, scope, secret=None):
    """The status and the answer of the issuer."""
    form = {"grant_type": "client_credentials", "resource": "https://order.production.internal", "scope": scope}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if secret is None:
        form["client_id"] = workload
    else:
        pair = f"{urllib.parse.quote_plus(workload)}:{urllib.parse.quote_plus(secret)}"
        headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    connection = http.client.HTTPSConnection("issuer.production.internal")
    connection.sock = connect_to_issuer(pathlib.Path(os.environ["PKI"], workload))
    try:
        connection.request("POST", "/oauth/token", urllib.parse.urlencode(form), headers)
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    finally:
        connection.close()


def connect_to_issuer(folder):
    tls = ssl.create_default_context(cafile=folder / "ca.crt")
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    host, port = os.environ["ISSUER"].split(":")
    raw = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
    connection = tls.wrap_socket(raw, server_hostname="issuer.production.internal")
    uris = [value for kind, value in connection.getpeercert()["subjectAltName"] if kind == "URI"]
    if uris != ["spiffe://production.internal/issuer"]:
        connection.close()
        raise ssl.SSLCertVerificationError(f"It is not the issuer who is there, but {uris}.")
    return connection


def token(workload, scope, secret=None):
    """The metadata of a call with a token; a client that makes many calls keeps it for most of its `expires_in`."""
    status, answer = ask_for_token(workload, scope, secret)
    if status != 200:
        raise PermissionError(answer["error"])
    return {"authorization": "Bearer " + answer["access_token"]}


# A signature.
def sign(key_id, secret, path, message, timestamp=None, nonce=None):
    """The metadata of one attempt. `path` is /package.Service/Method, `message` the bytes that are sent."""
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


# A refusal.
def refusal(trailers):
    """What the trailers of a refused call say: `reason` and `metadata`, and `retry_s`, where there are any."""
    said = {}
    for key, value in trailers or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in map(fields, fields(value).get(3, [])):
            kind, content = detail[1][0].decode().rpartition("/")[2], fields(detail[2][0])
            if kind == "google.rpc.ErrorInfo" and content.get(2) == [b"auth.zerotrust"]:
                entries = map(fields, content.get(3, []))
                said["metadata"] = {each[1][0].decode(): each[2][0].decode() for each in entries}
                said["reason"] = content[1][0].decode()
            if kind == "google.rpc.RetryInfo":
                delay = fields(content[1][0])
                said["retry_s"] = delay.get(1, [0])[0] + delay.get(2, [0])[0] / 1e9
    return said
