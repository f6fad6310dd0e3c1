import type { IncomingMessage } from "node:http";

/**
 * Waits until the whole body of a request is here, and leaves it to be read: who sends the last byte late asks late.
 *
 * @param length - its Content-Length, which Node holds it to
 * @throws Error when the caller breaks off
 */
export function bodyOf(request: IncomingMessage, length: number): Promise<void> {
  if (length === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    function onReadable(): void {
      for (let chunk: unknown = request.read(); chunk instanceof Buffer; chunk = request.read()) {
        chunks.push(chunk);
        size += chunk.length;
      }
      if (size < length) return;
      request.off("readable", onReadable).off("close", onClose);
      request.unshift(Buffer.concat(chunks));
      resolve();
    }
    function onClose(): void {
      reject(new Error("the caller broke off in the middle of its request"));
    }
    request.on("readable", onReadable).once("close", onClose);
  });
}
