"""Makes calls with by_hand.py and prints, a line each, how they end.

    try_by_hand.py

Where the services are, and the keys, are in the environment: the variables of docs/wire.md, which `pnpm dev` prints.
"""

import os
import time
import uuid

import grpc
from by_hand import call, connect, field, fields, last_of, refusal, sign, token

ORDERS = "/order.v1.OrderService"
PAYMENTS = "/payment.v1.PaymentService"
ORDER_STATES = ("UNSPECIFIED", "PENDING", "PAID", "DECLINED")
PAYMENT_STATES = ("UNSPECIFIED", "PENDING", "AUTHORIZED", "CAPTURED", "DECLINED")


def show(what, action):
    """Prints how a call ends, and returns what its refusal says."""
    try:
        print(f"{what}: OK {action()}")
    except PermissionError as error:
        print(f"{what}: {error}")
    except grpc.RpcError as error:
        said = refusal(error.trailing_metadata())
        again = f", again after {said['retry_s']:g} s" if "retry_s" in said else ""
        print(f"{what}: {error.code().name} {said.get('reason', '')}{again}".rstrip())
        return said


def by_token():
    """Places an order, waits until it is paid, and returns the id of its payment."""
    orders = connect("order", "storefront")
    own = token("storefront", "read:orders write:orders")
    line = field(1, "TEA-GREEN") + field(2, 3) + field(3, field(1, "EUR") + field(2, 1299))
    request = field(1, str(uuid.uuid4())) + field(2, line)
    seen = {}

    def see(answer):
        seen.update(fields(answer[1][0]))
        return ORDER_STATES[seen[5][0]]

    show("storefront CreateOrder, a token", lambda: see(call(orders, f"{ORDERS}/CreateOrder", request, own)))
    show("storefront WatchOrder, the same token", lambda: see(last_of(orders, f"{ORDERS}/WatchOrder", field(1, seen[1][0]), own)))

    others = connect("order", "partner")
    weak = token("partner", "read:orders", os.environ["PARTNER_SECRET"])
    count = lambda answer: f"{len(answer.get(1, []))} orders"
    show("partner ListOrders, a token by its secret", lambda: count(call(others, f"{ORDERS}/ListOrders", b"", weak)))
    show("partner CreateOrder, a token to read with", lambda: call(others, f"{ORDERS}/CreateOrder", request, weak))
    show("partner CreateOrder, a stolen token", lambda: call(others, f"{ORDERS}/CreateOrder", request, own))
    show("partner asks for a token, a wrong secret", lambda: token("partner", "read:orders", "wrong"))
    elsewhere = connect("order", "storefront", os.environ["PAYMENT"])
    show("storefront ListOrders, where payment listens", lambda: call(elsewhere, f"{ORDERS}/ListOrders", b"", own))
    return seen[6][0].decode()


def by_certificate(payment_id):
    request = field(1, payment_id) + field(2, "storefront")
    show("order-service GetPayment, its certificate", lambda: state_of(connect("payment", "order-service"), request))
    capture = field(1, str(uuid.uuid4())) + field(2, payment_id) + field(3, "storefront")
    reporting = connect("payment", "reporting")
    show("reporting CapturePayment, its certificate", lambda: call(reporting, f"{PAYMENTS}/CapturePayment", capture))


def state_of(payments, request, metadata=None):
    payment = fields(call(payments, f"{PAYMENTS}/GetPayment", request, metadata)[1][0])
    return PAYMENT_STATES[payment[5][0]]


def by_api_key():
    payments = connect("payment", "reporting")
    key = os.environ["API_KEY"]
    typo = key[:-1] + format(int(key[-1], 16) ^ 1, "x")

    def total(api_key):
        lines = map(fields, call(payments, f"{PAYMENTS}/ListTransactions", b"", {"x-api-key": api_key})[1])
        # A negative number comes as 64 bits in two's complement.
        return f"sum {sum(each[6][0] - (each[6][0] >> 63 << 64) for each in lines)}"

    show("reporting ListTransactions, its API key", lambda: total(key))
    show("reporting ListTransactions, a key with a typo", lambda: total(typo))


def by_signature(payment_id):
    payments = connect("payment", "storefront")
    request = field(1, payment_id)

    def signed(at, times=1):
        key = (os.environ["SIGNING_KEY_ID"], os.environ["SIGNING_SECRET"])
        metadata = sign(*key, f"{PAYMENTS}/GetPayment", request, str(int(at)))
        return [state_of(payments, request, metadata) for _ in range(times)][-1]

    show("storefront GetPayment, signed", lambda: signed(time.time()))
    show("storefront GetPayment, the same bytes twice", lambda: signed(time.time(), times=2))
    said = show("storefront GetPayment, signed by a slow clock", lambda: signed(time.time() - 600))
    show("storefront GetPayment, signed by the server's", lambda: signed(said["metadata"]["server_time"]))
    # As if it had waited since before payment was started, which refuses what it might have seen before that.
    said = show("storefront GetPayment, signed 4 minutes ago", lambda: signed(time.time() - 240))
    # A payment that has been up for longer knows better, and has let it in.
    time.sleep(said["retry_s"] if said else 0)
    show("storefront GetPayment, signed anew", lambda: signed(time.time()))


def main():
    payment_id = by_token()
    by_certificate(payment_id)
    by_api_key()
    by_signature(payment_id)


main()
