/** Words of a sound, wherever it stands. */

export const strings = {
  en: {
    play: ({ name }) => `Play ${name}`,
    pause: ({ name }) => `Pause ${name}`,
    playShort: "Play",
    pauseShort: "Pause",
    slider: ({ name }) => `Position in ${name}`,
    position: ({ at, whole }) => `${at} s of ${whole}`,
    drawLarge: "Large: draw its waveform",
    cannotPlay: ({ name }) =>
      `This browser can't play ${name}. Download it to hear it; searching with it works all the ` +
      "same.",
  },
  zh: {
    play: ({ name }) => `播放 ${name}`,
    pause: ({ name }) => `暂停 ${name}`,
    playShort: "播放",
    pauseShort: "暂停",
    slider: ({ name }) => `${name} 的播放位置`,
    position: ({ at, whole }) => `${at} 秒，共 ${whole}`,
    drawLarge: "文件较大：绘制波形",
    cannotPlay: ({ name }) => `这个浏览器无法播放 ${name}。可以下载来听；用它检索不受影响。`,
  },
};
