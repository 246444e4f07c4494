// How the batch panel looks, in the colours of ComfyUI's theme.

export const STYLE = `
.oin-batches { box-sizing: border-box; padding: 12px; font-size: 14px; line-height: 1.4; text-align: left; min-width: 0; }
.oin-batches, .oin-batches-dialog { color: var(--fg-color, #ddd); }
.oin-batches * { box-sizing: border-box; overflow-wrap: anywhere; }
.oin-batches :is(h2, h3, p, ul) { margin: 0; padding: 0; color: inherit; list-style: none; }
.oin-batches h2 { font-size: 16px; font-weight: 700; outline: none; }
.oin-batches h3 { font-size: 14px; font-weight: 700; }
.oin-batches :is(.oin-head, .oin-buttons) { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.oin-batches .oin-head { justify-content: space-between; }
.oin-batches .oin-part { display: flex; flex-direction: column; gap: 8px; padding: 12px 0; }
.oin-batches .oin-part + .oin-part, .oin-batches .oin-item { border-top: 1px solid var(--border-color, #4e4e4e); }
.oin-batches ul { display: flex; flex-direction: column; gap: 8px; }
.oin-batches :is(.oin-part, .oin-said, .oin-buttons):empty { display: none; }
.oin-batches .oin-item { display: flex; flex-direction: column; gap: 4px; padding-top: 8px; }
.oin-batches .oin-sum { font-size: 18px; font-weight: 600; }
.oin-batches .oin-said { margin-top: 10px; padding: 8px 10px; border-left: 3px solid #3aa675; white-space: pre-wrap;
  background: var(--comfy-input-bg, #222); color: var(--input-text, #ddd); }
.oin-batches .oin-wrong { border-left-color: #e0483e; }
.oin-batches button { font: inherit; padding: 6px 12px; border-radius: 6px; cursor: pointer; max-width: 100%;
  white-space: normal; text-align: center; color: var(--input-text, #ddd); background: var(--comfy-input-bg, #222);
  border: 1px solid var(--border-color, #4e4e4e); }
.oin-batches button:hover:enabled { border-color: currentColor; }
.oin-batches button:focus-visible { outline: 2px solid #3aa675; outline-offset: 2px; }
.oin-batches button.oin-first { color: #eafff5; background: #1d5443; border-color: #3aa675; }
.oin-batches button:disabled { cursor: default; border-style: dashed; opacity: 0.65; }
.oin-batches progress { appearance: none; display: block; width: 100%; height: 8px; border: none; border-radius: 4px;
  overflow: hidden; background: var(--border-color, #4e4e4e); }
.oin-batches progress::-webkit-progress-bar { background: var(--border-color, #4e4e4e); }
.oin-batches progress::-webkit-progress-value { background: #3aa675; }
.oin-batches progress::-moz-progress-bar { background: #3aa675; }
.oin-batches-dialog { width: min(30rem, 92vw); max-height: 86vh; overflow: auto; padding: 0; border-radius: 8px;
  background: var(--comfy-menu-bg, #202020); border: 1px solid var(--border-color, #4e4e4e); }
`;
