import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Property, PropertyList } from './property.js';

export async function loadProperties(file: string): Promise<PropertyList> {
  return (await import(pathToFileURL(resolve(file)).href)) as PropertyList;
}

/** The property of a module, the canary's included. */
export function propertyNamed(list: PropertyList, module: string): Property {
  const all = list.canary === undefined ? list.properties : [...list.properties, list.canary.property];
  const found = all.find((property) => property.module === module);
  if (found !== undefined) return found;
  throw new Error(`no property ${module}; there are ${all.map((property) => property.module).join(', ')}`);
}
