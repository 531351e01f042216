import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { hooksOn } from '../../src/runtime/abort-hooks.js';
import { offAbort, onAbort, sharedController } from '../../src/runtime/index.js';

describe.each([
  ['a signal that many listen to', sharedController],
  ['any other signal', () => new AbortController()],
])('hooks of %s', (_title, controllerOf) => {
  it('run once, those that were not taken off, in the order in which they came', () => {
    const controller = controllerOf();
    const ran: string[] = [];
    const noting = (name: string) => () => {
      ran.push(name);
    };
    const [first, second, third] = [noting('first'), noting('second'), noting('third')];
    for (const hook of [first, second, third, first]) onAbort(controller.signal, hook);
    offAbort(controller.signal, second);
    offAbort(controller.signal, () => {});
    controller.abort();
    controller.abort();
    expect(ran).toEqual(['first', 'third']);
  });

  it('run when it fires, though somebody has made such an event up before', () => {
    const controller = controllerOf();
    let ran = 0;
    const hook = () => {
      ran += 1;
    };
    onAbort(controller.signal, hook);
    controller.signal.dispatchEvent(new Event('abort'));
    onAbort(controller.signal, hook);
    controller.abort();
    expect(ran).toBe(2);
  });

  it('may take one another off while they run', () => {
    const controller = controllerOf();
    const ran: string[] = [];
    const second = () => ran.push('second');
    onAbort(controller.signal, () => {
      ran.push('first');
      offAbort(controller.signal, second);
    });
    onAbort(controller.signal, second);
    controller.abort();
    expect(ran).toEqual(['first']);
  });
});

describe('any other signal', () => {
  it('is listened to for as long as there is a hook, and can be again', () => {
    const { signal } = new AbortController();
    const [first, second] = [() => {}, () => {}];
    for (let time = 0; time < 2; time += 1) {
      onAbort(signal, first);
      onAbort(signal, second);
      expect(getEventListeners(signal, 'abort')).toHaveLength(1);
      offAbort(signal, first);
      expect(getEventListeners(signal, 'abort')).toHaveLength(1);
      offAbort(signal, second);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    }
  });
});

describe('a signal that many listen to', () => {
  it('has one listener for all hooks, and none as long as there was no hook', () => {
    const { signal } = sharedController();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const added = Array.from({ length: 100 }, () => () => {});
    for (const hook of added) onAbort(signal, hook);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    for (const hook of added.slice(1)) offAbort(signal, hook);
    expect(hooksOn(signal)).toBe(1);
  });

  it('leaves nothing on a signal that may not live long', () => {
    const signal = AbortSignal.any([new AbortController().signal]);
    const hook = () => {};
    onAbort(signal, hook);
    offAbort(signal, hook);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});
