import { expect, test } from "vitest";
import { ChangesClosedError, OrderChanges } from "./order-changes.ts";

const never = new AbortController().signal;

test("a change wakes everybody who watches the order, and nobody else", async () => {
  const changes = new OrderChanges();
  using first = changes.watch("a");
  using second = changes.watch("a");
  using other = changes.watch("b");
  const woken: string[] = [];
  const waits = [
    first.changed(never).then(() => woken.push("first")),
    second.changed(never).then(() => woken.push("second")),
  ];
  const abort = new AbortController();
  const otherWait = other.changed(abort.signal);
  changes.tell("a");
  await Promise.all(waits);
  expect(woken).toEqual(["first", "second"]);
  abort.abort(new Error("not woken"));
  await expect(otherWait).rejects.toThrow("not woken");
});

test("a change between two waits is not missed", async () => {
  const changes = new OrderChanges();
  using watch = changes.watch("a");
  changes.tell("a");
  await watch.changed(never);
  changes.tell("a");
  await expect(watch.changed(never)).resolves.toBeUndefined();
});

test("a wait ends with the signal's reason, also when it had aborted before", async () => {
  const changes = new OrderChanges();
  using watch = changes.watch("a");
  const abort = new AbortController();
  const wait = watch.changed(abort.signal);
  abort.abort(new Error("cancelled"));
  await expect(wait).rejects.toThrow("cancelled");
  await expect(watch.changed(abort.signal)).rejects.toThrow("cancelled");
});

test("nothing is kept of a watch that has ended", () => {
  const changes = new OrderChanges();
  const [first, second] = [changes.watch("a"), changes.watch("a")];
  first[Symbol.dispose]();
  expect(changes.watched).toEqual(["a"]);
  second[Symbol.dispose]();
  expect(changes.watched).toEqual([]);
});

test("closing ends the waits of now and of later", async () => {
  const changes = new OrderChanges();
  using waiting = changes.watch("a");
  using idle = changes.watch("b");
  const wait = waiting.changed(never);
  changes.close();
  await expect(wait).rejects.toThrow(ChangesClosedError);
  await expect(idle.changed(never)).rejects.toThrow(ChangesClosedError);
  using late = changes.watch("c");
  await expect(late.changed(never)).rejects.toThrow(ChangesClosedError);
});
