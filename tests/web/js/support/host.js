// What the tests hand to the extension in the place of ComfyUI's page: no text is translated, answers are given.

export const english = (_name, text) => text;

/** Return a host that answers each path from `answers` (a value, or a function of the body) and keeps what was asked. */
export function fakeHost(answers = {}) {
  const host = {
    asked: [],
    toasts: [],
    text: english,
    said: (message) => message,
    attempt: (work) => work(),
    toast(toast) {
      host.toasts.push(toast);
      return () => (host.toasts = host.toasts.filter((one) => one !== toast));
    },
    async json(path, body) {
      host.asked.push([path, body]);
      const answer = answers[path];
      return typeof answer === "function" ? answer(body) : answer;
    },
  };
  return host;
}

/** Let everything that waits for promises go on. */
export async function settled() {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
