export { ChannelSubscription } from './channel/subscription.js';
export type {
  ChannelGap,
  ChannelItem,
  ChannelMessage,
  ChannelOptions,
  ChannelPlace,
  ChannelPosition,
  ChannelPublishOptions,
  SubscribeOptions,
  UnreadableMessage,
  WhenFull,
} from './channel/types.js';
export { Channel } from './channel.js';
export { ChannelPattern } from './channel-pattern.js';
export type { Retention as TopicRetention } from './topic/description.js';
export type { ConsumeOptions, ConsumerEvent, MessageHandler } from './topic/group/consume-options.js';
export { Consumer } from './topic/group/consumer.js';
export { ConsumerGroup, type ResumeOptions, type SeekOptions } from './topic/group/consumer-group.js';
export {
  type GroupDeadLetter,
  GroupDeadLetters,
  type GroupDeadLettersOptions,
} from './topic/group/dead-letters.js';
export type { Delivery, TopicMessage } from './topic/group/delivery.js';
export type {
  GroupReport,
  Lag as GroupLag,
  PartitionReport,
  PartitionStanding,
} from './topic/group/group-report.js';
export type {
  PublishAllOptions,
  PublishOptions,
  ReadOptions as TopicReadOptions,
  TopicOptions,
} from './topic/options.js';
export type { Gap as TopicGap, Position as TopicPosition } from './topic/position.js';
export type { Published as PublishedMessage } from './topic/publishing/publish-call.js';
export type { ReadItem as TopicItem } from './topic/reading/read-topic.js';
export type { From as TopicStart } from './topic/reading/starting.js';
export type { TopicPartition, TopicReport } from './topic/topic-report.js';
export { Topic } from './topic.js';
