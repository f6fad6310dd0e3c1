import { expect, test } from "vitest";
import { Table } from "./table.ts";

const line = { who: "storefront", call: "GetOrder", shows: "its token", expect: "OK" };

function newTable() {
  const printed: string[] = [];
  return { table: new Table((text) => printed.push(text)), printed };
}

test("a line that is not as it should be is marked, and counted", async () => {
  const { table, printed } = newTable();
  await table.line(line, async () => undefined);
  await table.line(line, () => Promise.reject(Object.assign(new Error("cut off"), { code: 14 })));
  expect(printed[0]).toMatch(/✓.* OK\n$/);
  expect(printed[1]).toMatch(/✗.* UNAVAILABLE {3}← should be: OK\n$/);
  expect({ lines: table.lines, wrong: table.wrong }).toEqual({ lines: 2, wrong: 1 });
});

test("a table that has been stopped is silent, also about a call under way", async () => {
  const { table, printed } = newTable();
  const answer = Promise.withResolvers<undefined>();
  const underWay = table.line(line, () => answer.promise);
  table.stop();
  answer.reject(new Error("cut off"));
  await underWay;
  table.title("More");
  expect(printed).toEqual([]);
  expect({ lines: table.lines, wrong: table.wrong }).toEqual({ lines: 0, wrong: 0 });
});
