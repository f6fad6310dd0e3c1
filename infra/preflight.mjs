// Runs on any Node, so it is plain JavaScript: says what is missing before TypeScript would trip over it.
const [major = 0, minor = 0, patch = 0] = process.versions.node.split(".").map(Number);
const floor = { 24: [18, 1], 26: [5, 1] }[major];
const good = floor !== undefined && (minor > floor[0] || (minor === floor[0] && patch >= floor[1]));
if (!good) {
  console.error(
    `This needs Node 24 (at least 24.18.1), and node here is ${process.versions.node}.\n` +
      "The install brings it from npm for Linux and for macOS on Intel: run `npx -y pnpm@12.21.0 install`, then the script\n" +
      `through pnpm. For other platforms (this is ${process.platform}-${process.arch}) install Node 24 and put it first in PATH.`,
  );
  process.exit(1);
}
