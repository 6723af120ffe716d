/** Words of the two purposes of models and libraries. */

export const purposes = {
  en: {
    what: "Made for",
    PURPOSE_VOICES: "Voices",
    PURPOSE_SOUNDS: "Sounds",
    choice_PURPOSE_VOICES: "Voices: who is speaking",
    choice_PURPOSE_SOUNDS: "Sounds: what is heard",
    note: "It can be changed later only by embedding every clip again.",
    model_PURPOSE_VOICES: ({ model }) =>
      `${model} tells who is speaking. It hears no words, and hardly tells kinds of sound apart.`,
    model_PURPOSE_SOUNDS: ({ model }) =>
      `${model} tells kinds of sound apart. It hears no words or tunes, nor who is speaking.`,
    lacking_PURPOSE_VOICES: "This server runs no model for voices.",
    lacking_PURPOSE_SOUNDS:
      "This server runs no model for sounds. Voices are what its model tells apart best.",
    scores: "Scores",
    range: ({ least }) => `${least} to 1`,
    scoresOf: ({ range }) => `scores ${range}`,
  },
  zh: {
    what: "用途",
    PURPOSE_VOICES: "人声",
    PURPOSE_SOUNDS: "声响",
    choice_PURPOSE_VOICES: "人声：是谁在说话",
    choice_PURPOSE_SOUNDS: "声响：听到的是什么",
    note: "以后要更改，就得重新计算所有向量。",
    model_PURPOSE_VOICES: ({ model }) =>
      `${model} 分辨是谁在说话；听不懂词句，也难以区分声音种类。`,
    model_PURPOSE_SOUNDS: ({ model }) =>
      `${model} 区分声音种类；听不懂词句和曲调，也不分辨说话人。`,
    lacking_PURPOSE_VOICES: "本服务器没有用于人声的模型。",
    lacking_PURPOSE_SOUNDS: "本服务器没有用于声响的模型，现有的模型最擅长区分人声。",
    scores: "得分",
    range: ({ least }) => `${least} 至 1`,
    scoresOf: ({ range }) => `得分 ${range}`,
  },
};
