export { type CampaignOptions, Election, type LeadOptions, type Term } from './election.js';
export type { Leadership } from './leadership.js';
export type { LeaderView } from './observe.js';
