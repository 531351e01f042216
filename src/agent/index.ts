/** The program `main.ts`, which keeps files as a configuration is: its words. */
export { type Command as AgentCommandLine, parseCommandLine, usage } from './command-line.js';
