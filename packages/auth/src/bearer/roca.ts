/**
 * The odd primes up to 167, modulo each of which the primes of such a key are a power of 65537 (Nemec et al., "The Return of
 * Coppersmith's Attack", CCS 2017, section 2.2).
 */
const smallPrimes: readonly number[] = Array.from({ length: 83 }, (_, index) => 2 * index + 3).filter(isPrime);

/** For each of them the remainders that a power of 65537 can leave. */
const powers: ReadonlyMap<bigint, ReadonlySet<bigint>> = new Map(
  smallPrimes.map((prime) => [BigInt(prime), powersModulo(BigInt(prime))]),
);

/**
 * Whether an RSA key was made by a chip whose keys can be factored (CVE-2017-15361), by its fingerprint: of the keys of others one
 * in 200 million has it too.
 */
export function isRocaKey(modulus: bigint): boolean {
  return powers.entries().every(([prime, remainders]) => remainders.has(modulus % prime));
}

function powersModulo(prime: bigint): ReadonlySet<bigint> {
  const found = new Set<bigint>();
  for (let power = 1n; !found.has(power); power = (power * 65_537n) % prime) found.add(power);
  return found;
}

function isPrime(candidate: number): boolean {
  for (let divisor = 2; divisor * divisor <= candidate; divisor += 1) if (candidate % divisor === 0) return false;
  return true;
}
