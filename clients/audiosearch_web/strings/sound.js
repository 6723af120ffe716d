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
    AUDIO_REMARK_UNLIKE_CHANNELS_MIXED:
      "The channels of this recording hold different sounds, such as the two sides of a call. " +
      "They were mixed.",
    AUDIO_REMARK_CUT_OFF:
      "This recording is cut off, or was never finished. All that is there was heard.",
    AUDIO_REMARK_ONE_TRACK_OF_SEVERAL:
      "This file has several audio tracks. The default one was heard.",
    AUDIO_REMARK_NO_SPEECH: "No speech was found here. Scores say nothing about a voice.",
    AUDIO_REMARK_LITTLE_SPEECH:
      "There is little speech here. A decision about the voice is unsure.",
    files: ({ count }) => `${count.toLocaleString("en")} ${count === 1 ? "file" : "files"}`,
    channel: "Channel to hear",
    mixed: "Mixed",
    left: "Left",
    right: "Right",
    numbered: ({ number }) => `Channel ${number}`,
    stretch: "Part to search with",
    from: "From",
    to: "To",
    wholeSound: "Search with all of it",
    stretchWrong: ({ whole }) =>
      `Write minutes and seconds, such as 1:12, the start before the end, up to ${whole}.`,
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
    AUDIO_REMARK_UNLIKE_CHANNELS_MIXED: "这段录音的各声道内容不同（例如通话双方），已混合在一起。",
    AUDIO_REMARK_CUT_OFF: "这段录音不完整或没有正常结束，已使用其中现有的全部内容。",
    AUDIO_REMARK_ONE_TRACK_OF_SEVERAL: "这个文件有多条音轨，使用了默认音轨。",
    AUDIO_REMARK_NO_SPEECH: "没有发现语音，分数不能说明是谁的声音。",
    AUDIO_REMARK_LITTLE_SPEECH: "语音太短，关于声音的判断不可靠。",
    files: ({ count }) => `${count} 个文件`,
    channel: "使用的声道",
    mixed: "混合",
    left: "左声道",
    right: "右声道",
    numbered: ({ number }) => `声道 ${number}`,
    stretch: "用来检索的部分",
    from: "起点",
    to: "终点",
    wholeSound: "用整段检索",
    stretchWrong: ({ whole }) => `请按 分:秒 填写，例如 1:12；起点要早于终点，最晚到 ${whole}。`,
  },
};
