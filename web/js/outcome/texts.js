// Which of the lines that a node says while it runs is worth keeping when the run has ended.

const STAGE = /, \d+ s$/; // "generating, 12 s": how long it takes, of no use afterwards
const WAITS_FOR_BATCH = /(^|\d )(planned, |in a batch since |failed in the batch)/; // of one run, or of so many rows

/** @param {string} text */
export const isLastWord = (text) => text !== "" && !STAGE.test(text);

/** @param {string | undefined} text */
export const waitsForBatch = (text) => WAITS_FOR_BATCH.test(text ?? "");
