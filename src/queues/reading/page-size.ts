/** A page of items aims at about so many of them or bytes, whichever is less. */
export const itemsPerPage = 1_000;
const bytesPerPage = 1_500_000;
export const fewestPerPage = 16;

/** How many items to ask for after a page of `count` items had so many bytes, which is at least one. */
export function itemsThatFit(count: number, bytes: number, most: number = itemsPerPage): number {
  const fitting = Math.floor((bytesPerPage * count) / Math.max(bytes, 1));
  return Math.min(most, Math.max(fewestPerPage, fitting));
}
