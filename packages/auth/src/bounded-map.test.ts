import fc from "fast-check";
import { expect, test } from "vitest";
import { BoundedMap } from "./bounded-map.ts";

test("what was set longest ago makes room, and what is set again is the newest", () => {
  const map = new BoundedMap<number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  map.set("c", 4);
  expect([map.get("a"), map.get("b"), map.get("c"), map.size]).toEqual([3, undefined, 4, 2]);
});

test("one that has room for none holds none", () => {
  const map = new BoundedMap<number>(0);
  map.set("a", 1);
  expect([map.get("a"), map.size]).toEqual([undefined, 0]);
});

test("it holds what a map would that is put in order by hand, whatever is done to it", () => {
  const key = fc.constantFrom("a", "b", "c", "d", "e");
  const step = fc.oneof(
    fc.record({ does: fc.constant("set" as const), key, value: fc.nat() }),
    fc.record({ does: fc.constant("delete" as const), key }),
  );
  fc.assert(
    fc.property(fc.nat(4), fc.array(step, { maxLength: 40 }), (max, steps) => {
      const map = new BoundedMap<number>(max);
      let expected: (readonly [key: string, value: number])[] = [];
      for (const each of steps) {
        expected = expected.filter(([name]) => name !== each.key);
        if (each.does === "set") {
          expected = max === 0 ? [] : [...expected, [each.key, each.value] as const].slice(-max);
          map.set(each.key, each.value);
        } else map.delete(each.key);
        expect(map.size).toBe(expected.length);
        for (const name of ["a", "b", "c", "d", "e"]) expect(map.get(name)).toBe(new Map(expected).get(name));
      }
    }),
  );
});
