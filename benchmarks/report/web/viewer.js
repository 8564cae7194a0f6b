// The clips: pictures, sound, and masks of the chosen rows.
const HIT = [0, 114, 178], FALSE = [213, 94, 0], MISS = [240, 228, 66];
const player = new Audio();
const view = { uid: "", stop: null, timer: 0 };

// A contest's clips come by a script of their own, when they are asked for.
function load(name, then) {
  if (GAVS.loaded[name] || !(name in DATA.files)) {
    then(GAVS.loaded[name] ?? []);
    return;
  }
  byId("clip-help").textContent = "Loading the clips.";
  document.head.append(el("script", { src: DATA.files[name],
    onload: () => then(GAVS.loaded[name]),
    onerror: () => {
      byId("clip-help").textContent = `${DATA.files[name]} is missing: this page plays it from there.`;
      then([]);
    } }));
}

// A row's mean IoU of a clip in the tables' terms is in s.clips; this is the shown frame's.
const iouOf = (clip, row, sound = "own") => clip.masks[row]?.[sound]?.[1] ?? null;

function showClips() {
  const name = byId("clip-contest").value;
  if (!name) return;
  load(name, (clips) => {
    fillFilters(clips);
    const [first, second] = [byId("first").value, byId("second").value];
    const [sort, word, scene, sound] = ["clip-sort", "clip-class", "clip-scene", "clip-sound"].map((id) => byId(id).value);
    const part = clips.filter((clip) => (!word || clip.classes.includes(word))
      && (!scene || clip.regime === scene)
      && (!sound || sound === (clip.off_screen ? "off" : clip.empty ? "empty" : "view")));
    const drawn = clips.length && Object.keys(clips[0].masks);
    const a = (clip) => iouOf(clip, first), b = (clip) => iouOf(clip, second);
    const keys = { worst: (clip) => a(clip) ?? 999, best: (clip) => -(a(clip) ?? -1),
      apart: (clip) => -(a(clip) === null || b(clip) === null ? -1 : Math.abs(a(clip) - b(clip))),
      deaf: (clip) => (a(clip) === null ? 999 : Math.abs(a(clip) - (iouOf(clip, first, "wrong") ?? 999))) };
    const order = [...part].sort((p, q) => keys[sort](p) - keys[sort](q));
    const lacking = drawn ? [first, second].filter((row) => !drawn.includes(row)) : [];
    byId("clip-help").textContent = `${part.length} of ${clips.length} clips, chosen by what they are and not by any score; ` +
      `seed ${DATA.seeds[0]}. Numbers below a picture: IoU of ${first} / ${second} on its frame` +
      (lacking.length ? `; no masks of ${lacking.join(" and ")} are stored here.` : ".");
    byId("clip-list").replaceChildren(...order.map((clip) => el("button", { type: "button", "data-uid": clip.uid,
      "aria-pressed": clip.uid === view.uid ? "true" : "false", onclick: () => showClip(name, clip.uid) },
    el("img", { src: clip.frame, alt: clip.classes.join(", "), width: clip.width, height: clip.height }),
    `${fixed(a(clip), 0)} / ${fixed(b(clip), 0)}`)));
    const current = order.find((clip) => clip.uid === view.uid) ?? order[0];
    if (current) showClip(name, current.uid);
    else byId("clip").replaceChildren(el("p", {}, "No clip of this kind."));
  });
}

function fillFilters(clips) {
  const words = (values) => [...new Set(values)].filter(Boolean).sort().map((value) => [value, value]);
  fill(byId("clip-class"), [["", "any"], ...words(clips.flatMap((clip) => clip.classes))]);
  fill(byId("clip-scene"), [["", "any"], ...words(clips.map((clip) => clip.regime))]);
}

function pixels(lengths, count) {
  const mask = new Uint8Array(count);
  let [at, lit, length] = [0, 0, 0];
  for (const character of atob(lengths)) {
    const byte = character.charCodeAt(0);
    length += byte;
    if (byte === 255) continue;
    if (lit) mask.fill(1, at, at + length);
    [at, lit, length] = [at + length, 1 - lit, 0];
  }
  return mask;
}

function paint(clip, mask, truth, words) {
  const canvas = el("canvas", { width: clip.width, height: clip.height, role: "img", "aria-label": words });
  const image = new Image();
  image.onload = () => {
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, clip.width, clip.height);
    const data = context.getImageData(0, 0, clip.width, clip.height);
    for (let i = 0; i < mask.length; i += 1) {
      const grey = 38 + 0.55 * (data.data[4 * i] + data.data[4 * i + 1] + data.data[4 * i + 2]) / 3;
      const ink = mask[i] ? (truth[i] ? HIT : FALSE) : truth[i] ? MISS : null;
      for (let c = 0; c < 3; c += 1) data.data[4 * i + c] = ink ? 0.25 * grey + 0.75 * ink[c] : grey;
    }
    context.putImageData(data, 0, 0);
  };
  image.src = clip.frame;
  return canvas;
}

function tile(node, ...words) { return el("figure", {}, node, el("figcaption", {}, ...words)); }

function showClip(name, uid) {
  load(name, (clips) => {
    const clip = clips.find((c) => c.uid === uid);
    if (!clip) return;
    if (byId("clip-contest").value !== name) { byId("clip-contest").value = name; }
    view.uid = uid;
    stop();
    for (const button of byId("clip-list").children) button.setAttribute("aria-pressed", String(button.dataset.uid === uid));
    const count = clip.width * clip.height, truth = pixels(clip.truth, count);
    const rows = [...new Set([byId("first").value, byId("second").value])];
    const masks = (row) => Object.entries({ own: "own sound", wrong: "another class's sound", silent: "silence" })
      .map(([sound, words]) => {
        const entry = clip.masks[row]?.[sound];
        return entry && tile(paint(clip, pixels(entry[0], count), truth, `${row}, ${words}: IoU ${fixed(entry[1])}`),
          el("b", {}, `IoU ${fixed(entry[1])}`), ` ${words}`);
      }).filter(Boolean);
    const facts = [`class: ${clip.classes.join(", ")}`, clip.heard.length && `heard: ${clip.heard.join(", ")}`,
      clip.shown.length && `in view: ${clip.shown.join(", ")}`, clip.rivals !== null && `silent rivals in view: ${clip.rivals}`,
      clip.off_screen && "off-screen sound", clip.empty && "nothing in view sounds: IoU is the share left dark",
      clip.regime && `scenes: ${clip.regime}`].filter(Boolean).join(" · ");
    const share = (seconds) => `${(100 * seconds) / clip.seconds}%`;
    const now = el("i", { class: "now", hidden: "" });
    const play = (from, to) => () => start(clip, from, to, now, share);
    byId("clip").replaceChildren(
      el("h3", {}, clip.uid), el("p", { class: "help" }, facts),
      el("div", { class: "sound" }, el("img", { src: clip.spectrogram, alt: `spectrogram of ${clip.seconds} s, low tones below` }),
        el("i", { class: "second", style: `left:${share(clip.second)};width:${share(1)}` }), now),
      clip.sound ? el("div", { class: "controls" },
        el("button", { type: "button", id: "play-second", onclick: play(clip.second, clip.second + 1) }, `▶ second ${clip.second + 1}`),
        el("button", { type: "button", id: "play-clip", onclick: play(0, clip.seconds) }, "▶ whole clip"),
        el("button", { type: "button", onclick: stop }, "■ stop")) : el("p", { class: "help" }, "No sound is stored."),
      el("p", { class: "help" }, el("span", { class: "swatch", style: "background:rgb(0,114,178)" }), "hit",
        el("span", { class: "swatch", style: "background:rgb(213,94,0)" }), "false alarm",
        el("span", { class: "swatch", style: "background:rgb(240,228,66)" }), "miss"),
      el("div", { class: "tiles" },
        tile(el("img", { src: clip.frame, alt: `frame of second ${clip.second + 1}` }), `frame, second ${clip.second + 1}`),
        tile(paint(clip, truth, truth, "truth"), "truth")),
      ...rows.flatMap((row) => [el("h3", {}, row), masks(row).length ? el("div", { class: "tiles" }, masks(row))
        : el("p", { class: "help" }, "No masks of this row are stored here.")]));
  });
}

function stop() {
  player.pause();
  cancelAnimationFrame(view.timer);
}

function start(clip, from, to, now, share) {
  stop();
  if (player.src !== clip.sound) player.src = clip.sound;
  player.currentTime = from;
  now.hidden = false;
  player.play();
  const follow = () => {
    now.style.left = share(Math.min(player.currentTime, to));
    if (player.currentTime >= to || player.ended) { stop(); return; }
    view.timer = requestAnimationFrame(follow);
  };
  view.timer = requestAnimationFrame(follow);
}
