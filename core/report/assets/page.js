"use strict";
// Seeking by click, a playhead, and conversations that open when linked to. Without it the page reads the same.
for (const figure of document.querySelectorAll(".timeline")) {
  const length = Number(figure.dataset.ms) / 1000;
  const audio = figure.querySelector("audio");
  const lanes = figure.querySelector(".lanes");
  const head = figure.querySelector(".head");
  if (!audio) continue;
  lanes.classList.add("live");
  const opened = () => { figure.dataset.audio = audio.duration; };
  if (audio.readyState > 0) opened();
  audio.addEventListener("loadedmetadata", opened);
  audio.addEventListener("error", () => {
    figure.dataset.broken = "";
    audio.insertAdjacentHTML("afterend", '<p class="note">This browser cannot play mu-law WAV.</p>');
  });
  const show = () => {
    head.style.left = Math.min(100, (100 * audio.currentTime) / length) + "%";
    if (!audio.paused) requestAnimationFrame(show);
  };
  for (const event of ["play", "timeupdate", "seeked"]) audio.addEventListener(event, show);
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
  const seek = (seconds) => { audio.currentTime = seconds; audio.play().catch(() => {}); };
  lanes.addEventListener("click", (event) => {
    const box = lanes.getBoundingClientRect();
    seek((length * (event.clientX - box.left)) / box.width);
  });
  for (const at of figure.parentElement.querySelectorAll("a.at")) {
    at.addEventListener("click", () => seek(Number(at.dataset.at) / 1000));
  }
}
const open = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") target.open = true;
};
addEventListener("hashchange", open);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
open();
