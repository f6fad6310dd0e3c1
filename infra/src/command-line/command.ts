import { parseArgs } from "node:util";
import { CommandError } from "./command-error.ts";

/** What a command needs of the outside. */
export interface Surroundings {
  /** What was asked for, on standard output. */
  readonly print: (line: string) => void;
  /** What people want to know besides, on standard error, so that a secret or JSON can go through a pipe. */
  readonly note: (line: string) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** A command of `pnpm zt`. */
export interface Command {
  /** Its arguments, as in `WORKLOAD --dir PKI`. */
  readonly usage: string;
  /** What it does, without a full stop. */
  readonly says: string;
  readonly options: Readonly<Record<string, Option>>;
  /** How many arguments that are no options. */
  readonly positionals: { readonly min: number; readonly max: number };
  run(args: Args, surroundings: Surroundings): Promise<void>;
}

interface Option {
  /** What its value is called; without it the option has none. */
  readonly value?: string;
  /** It may be given more than once. */
  readonly many?: true;
  readonly says: string;
}

type Values = Readonly<Record<string, readonly string[] | true>>;

/** The arguments of one command, as they were given. */
export class Args {
  readonly positionals: readonly string[];
  readonly #values: Values;
  readonly #usage: string;

  constructor(positionals: readonly string[], values: Values, usage: string) {
    this.positionals = positionals;
    this.#values = values;
    this.#usage = usage;
  }

  flag(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    return value === undefined || value === true ? [] : value;
  }

  text(name: string): string | undefined {
    const values = this.list(name);
    if (values.length > 1) throw new CommandError(`--${name} is given twice.`);
    if (values[0] === "") throw new CommandError(`--${name} is empty.`);
    return values[0];
  }

  /** @throws {CommandError} when it is missing */
  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new CommandError(`--${name} is missing: ${this.#usage}`);
    return value;
  }

  /** A whole number, at least 1. */
  count(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^[1-9][0-9]{0,5}$/.test(text))
      throw new CommandError(`--${name} must be a whole number, at least 1; it is "${text}".`);
    return Number(text);
  }
}

/**
 * Takes the arguments of a command apart.
 *
 * @param name - the command as it is typed, `pnpm zt pki issue`
 * @throws {CommandError} saying which of them is wrong
 */
export function argsOf(name: string, command: Command, argv: readonly string[]): Args {
  const usage = `${name} ${command.usage}`;
  const { positionals, values } = parsed(argv, command);
  const { min, max } = command.positionals;
  if (positionals.length < min || positionals.includes("")) throw new CommandError(`An argument is missing: ${usage}`);
  if (positionals.length > max) {
    throw new CommandError(`"${positionals[max]}" is an argument too many: ${usage}`);
  }
  const texts = Object.entries(values).map(([key, value]) => [key, Array.isArray(value) ? value.map(String) : true]);
  return new Args(positionals, Object.fromEntries(texts) as Values, usage);
}

/** What `--help` prints. */
export function helpOf(name: string, command: Command): readonly string[] {
  const heads = Object.entries(command.options).map(([key, option]) => {
    const value = option.value === undefined ? "" : ` ${option.value}`;
    return [`--${key}${value}`, option.many === true ? `${option.says}; may be repeated` : option.says] as const;
  });
  const width = Math.max(...heads.map(([head]) => head.length));
  return [
    `${name} ${command.usage}`,
    "",
    `${command.says}.`,
    "",
    ...heads.map(([head, says]) => `  ${head.padEnd(width)}  ${says}`),
  ];
}

function parsed(argv: readonly string[], command: Command) {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([key, { value }]) => [
      key,
      // Several are taken, so that one too many is noticed and not left out in silence.
      { type: value === undefined ? ("boolean" as const) : ("string" as const), multiple: value !== undefined },
    ]),
  );
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (cause) {
    // Node's advice on dashes goes on for lines.
    const [first = "The arguments are wrong"] = cause instanceof Error ? cause.message.split(/\.\s|\n/) : [];
    throw new CommandError(`${first.replace(/\.$/, "")}; see --help.`, { cause });
  }
}
