export type Writable<T> = { -readonly [Field in keyof T]: T[Field] };
