/**
 * Collects garbage, all of it, if the process takes more memory than this. The runtime would let the garbage of work
 * on much data grow to several times of what is in use. It takes some 15 to 50 ms, in which nothing else is done.
 */
export function collectGarbageAbove(residentBytes: number): void {
  if (process.memoryUsage.rss() > residentBytes) Bun.gc(true);
}
