/** Live configuration, and tables that every process has in memory. */
export type { MirrorState } from '../mirror/index.js';
export type { AgentFile as ConfigAgentFile, RenderConfig } from './agent/agent-file.js';
export type { ConfigAgentEvent, ConfigAgentOptions } from './agent/agent-options.js';
export type { AgentStatus as ConfigAgentStatus } from './agent/agent-status.js';
export type { AgentCommand as ConfigAgentCommand, CommandRun as ConfigCommandRun } from './agent/command.js';
export { ConfigAgent } from './agent/config-agent.js';
export { Config, type ConfigReaderClient, type ConfigUpdate } from './config.js';
export {
  ConfigEditor,
  type ConfigEditorOptions,
  type LayerDifference as ConfigLayerDifference,
  type StoredDocument as StoredConfigDocument,
} from './config-editor.js';
export {
  ConfigReviews,
  type PublishOptions as ConfigPublishOptions,
  type WithdrawOptions as ConfigWithdrawOptions,
} from './config-reviews.js';
export { ConfigRollouts } from './config-rollouts.js';
export { type ConfigDifference, differencesBetween } from './difference.js';
export {
  ConfigDocument,
  type ConfigDocumentOptions,
  type ConfigEdit,
  type ConfigPatch,
  type EditOptions as ConfigEditOptions,
} from './document.js';
export type { ConfigChange } from './editing/commit-change.js';
export type { ChangeOptions as ConfigChangeOptions } from './editing/editor-core.js';
export type { ConfigHistoryEntry } from './editing/history.js';
export type { ConfigRollout } from './editing/rollouts.js';
export type { FileAccess as ConfigFileAccess, FileSystem as ConfigFileSystem } from './files/file-system.js';
export type { LastKnownGoodEvent } from './last-known-good/events.js';
export { LastKnownGoodConfig } from './last-known-good/last-known-good-config.js';
export type { LastKnownGoodOptions } from './last-known-good/last-known-good-options.js';
export type { Connect as ConfigConnect } from './last-known-good/later-connection.js';
export type { FileRefusal as LastKnownGoodRefusal } from './last-known-good/refusal.js';
export {
  type ConfigPermission,
  type ConfigPermissionsRequest,
  configPermissions,
  etcdctlCommands,
  grantConfigRole,
  type RoleAdministration,
} from './permissions.js';
export type { ConfigOptions, ConfigPicture } from './reading/options.js';
export type { ConfigProblem } from './reading/problem.js';
export { ConfigSnapshot, type ConfigView } from './reading/snapshot.js';
export type { Attribution as ConfigAttribution } from './records/attribution.js';
export type { ConfigAction } from './records/history.js';
export type { ConfigPolicy } from './records/policy.js';
export type { ReviewedProposal } from './records/reviewed-proposal.js';
export * from './replicated-map/index.js';
export type { ConfigProposal, ConfigVote } from './review/proposals.js';
export type { ConfigInstance, RolloutRule } from './rollout/rule.js';
export type { Scope as ConfigScope } from './scope.js';
