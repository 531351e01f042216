/** Who may do what with a file, and whose it is. */
export interface FileAccess {
  /** Permission bits, whatever the process's umask is. */
  readonly mode: number;
  /** Default: the user and the group of this process. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * What is done with files here. What is created or renamed is certain to outlast a crash of the machine only once it was synced:
 * the content with its file, the name with its folder.
 */
export interface FileSystem {
  /** Undefined: there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** The names in a folder; none where there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
  /** Writes a new file. Fails where there is one of that name. */
  create(path: string, content: Uint8Array, access: FileAccess): Promise<void>;
  syncFile(path: string): Promise<void>;
  syncFolder(folder: string): Promise<void>;
  /** In one step, also where there is a file of the new name. */
  rename(from: string, to: string): Promise<void>;
  /** Does nothing where there is no such file. */
  remove(path: string): Promise<void>;
  /** When it was written last, by the wall clock. Undefined: there is no such file. */
  modifiedAtMs(path: string): Promise<number | undefined>;
}
