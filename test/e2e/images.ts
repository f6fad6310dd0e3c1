/** The images of a run: `ZT_ISSUER_IMAGE` and so on name others than those that are built here. */
export const imageNames = ["issuer", "payment", "order", "caller"] as const;

export type ImageName = (typeof imageNames)[number];

/** Which workspace package an image is made of. */
export function packageOf(image: ImageName): string {
  return image === "caller" ? "test" : image;
}

export function variableOf(image: ImageName): string {
  return `ZT_${image.toUpperCase()}_IMAGE`;
}

/** The image to run. */
export function imageOf(image: ImageName, environment: NodeJS.ProcessEnv = process.env): string {
  return environment[variableOf(image)] ?? `zero-trust/${packageOf(image)}:local`;
}
