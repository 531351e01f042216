/** How many of the ascending items are not above `limit`. */
export function countUpTo<T, N extends number | string>(
  items: readonly T[],
  limit: N,
  of: (item: T) => N,
): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (of(items[middle] as T) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
