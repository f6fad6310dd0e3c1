/**
 * `pnpm demo`: starts the services on loopback, places a real order, and shows who is let in and who is not. Exits
 * non-zero when any line is not as it should be.
 */
import { showApiKeys, showMutualTls, showSignatures, showTokens } from "./demo/kept-out.ts";
import { showLetIn } from "./demo/let-in.ts";
import { Table } from "./demo/table.ts";
import { interruption, untilAborted } from "./interruption.ts";
import { newStackFolder, type Stack, startStack } from "./stack.ts";

async function show(stack: Stack, table: Table): Promise<void> {
  const { orderId, paymentId } = await showLetIn(stack, table);
  await showMutualTls(stack, table, paymentId);
  await showApiKeys(stack, table);
  await showTokens(stack, table, orderId);
  await showSignatures(stack, table, paymentId);
}

const signal = interruption();
process.stdout.write("Starting issuer, payment and order on loopback, with a PKI and keys made for this run …\n");
try {
  await using stack = await startStack(newStackFolder("demo"), { signal });
  const table = new Table((text) => process.stdout.write(text));
  await Promise.race([untilAborted(signal), show(stack, table)]);
  table.stop();
  if (signal.aborted) {
    process.stdout.write("\nInterrupted; stopping the services.\n");
    process.exitCode = 130;
  } else if (table.wrong > 0) {
    process.stdout.write(`\n${table.wrong} of ${table.lines} lines are not as they should be.\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(
      `\nAll ${table.lines} lines are as they should be. Services stopped, keys and databases removed.\n`,
    );
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = signal.aborted ? 130 : 1;
}
process.exit();
