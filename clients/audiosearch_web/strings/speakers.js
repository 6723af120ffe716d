/** Words of the page Speakers. */

import { search } from "./search.js";

const many = (count, one, more) =>
  `${Number(count).toLocaleString("en")} ${Number(count) === 1 ? one : more}`;

export const strings = {
  en: {
    title: "Speakers",
    forSounds:
      "This library is for sounds. Its model tells what is heard, and not who is speaking. " +
      "People are enrolled in libraries for voices.",
    noneForVoices: "No library here is for voices. Make one for voices, and enroll people in it.",
    enrolled: "Enrolled",
    enrollSomebody: "Enroll somebody",
    find: "Find by name or id",
    pages: "Pages of speakers",
    recordings: ({ count }) => (count === "1" ? "1 recording" : `${count} recordings`),
    speech: ({ seconds }) => `${seconds} s of speech`,
    wanted: ({ seconds }) => `${seconds} s more would help`,
    enough: "that is enough",
    notEnrolled: "no voice yet",
    STATE_CREATING: "being enrolled",
    STATE_UPDATING: "being updated",
    STATE_DELETING: "being deleted",
    noSpeakers: "Nobody is enrolled yet",
    noSpeakersMore:
      "Enroll somebody with a few recordings of the voice. Then this page tells whose voice a " +
      "sound is.",
    noSuch: "Nobody of that name",
    noSuchMore: "No name or id in this library contains that.",
    moreFound: ({ count }) => `and ${count} more: type more of the name`,
    foundSpeakers: ({ count }) => `${many(count, "speaker", "speakers")} found`,
    dropAnywhere: "Drop it to learn whose voice it is",
    noSounds: "There is no sound among these files.",
    soManyOnly: ({ count }) => `These are very many: the first ${count} are taken.`,

    identity: "Whose voice it is",
    matches: "Speakers it may be",
    isSpeaker: ({ name }) => `It is ${name}`,
    isLikely: ({ name }) => `Most likely ${name}`,
    isNobody: "Nobody enrolled matches",
    nobodyToCompare: "There is nobody to compare with.",
    bestOf: ({ count, score }) =>
      `The best of ${many(count, "speaker", "speakers")} is not good enough: ${score}.`,
    amongSpeakers: ({ count }) => `Compared with ${many(count, "speaker", "speakers")}.`,
    enrollOther: "Somebody else? Enroll this voice",
    enrollThis: "Enroll this voice",
    enrollAs: ({ name }) => `Add this recording to the enrollments of ${name}`,
    strangers: ({ count, rate }) =>
      `A stranger is taken for one of ${
        many(count, "speaker", "speakers")
      } in at most ${rate} of cases.`,

    noStrangerKept: ({ count }) =>
      `With ${
        many(count, "speaker", "speakers")
      }, this threshold may let every stranger in. Choose a higher one.`,
    likelier: ({ times }) => `${times} times likelier than a stranger`,
    unlikelier: ({ times }) => `a stranger is ${times} times likelier`,
    evenly: "as likely as a stranger",
    overMillion: "more than a million",
    cosineIs: ({ score }) => `score ${score}`,
    ratioAndCosine: ({ likelihood, score }) => `${likelihood}, score ${score}`,
    byDefault: ({ value }) =>
      `Decided by the default threshold, a score of ${value}: this library has no calibration, ` +
      "so how often that is wrong is not known.",
    toCalibration: "Calibrate this library",
    byCosine: ({ likelihood, value }) =>
      `Accepted from here on: ${likelihood} (log-likelihood ratio ${value}, from this library's ` +
      "calibration).",
    byNormalized: ({ likelihood, value }) =>
      `Accepted from here on: ${likelihood} (log-likelihood ratio ${value}, from this library's ` +
      "calibration of normalised scores).",
    expected: ({ miss, falseAlarm }) =>
      `Expected errors: ${miss} of a speaker's own recordings are rejected, and ${falseAlarm} of ` +
      "recordings of another voice are accepted.",

    decision: "Decision",
    accept: "ACCEPT",
    reject: "REJECT",
    acceptMore: ({ name }) => `It is the voice of ${name}.`,
    rejectMore: ({ name }) => `It is not the voice of ${name}.`,

    all: "All speakers",
    recordingsFact: "Recordings",
    speechFact: "Speech",
    made: "Enrolled",
    draftMore: "Nobody is enrolled under this name yet. The first recording does it.",
    enrolling: "Progress of the enrollment",
    outcomes: "What became of the recordings",
    closeOutcomes: "Close this list",
    enrolledOf: ({ enrolled, all }) =>
      `${enrolled} of ${many(all, "recording", "recordings")} enrolled`,
    waiting: "Waiting",
    sending: "Being listened to…",
    FIT_FIRST: "Enrolled",
    FIT_GOOD: ({ agreement }) => `Enrolled; agrees with the others by ${agreement}`,
    FIT_LOW: ({ agreement }) =>
      `Enrolled, but agrees with the others by ${agreement} only: listen if it is the same voice`,
    FIT_TOO_SHORT: "Enrolled; too little speech to tell if it agrees with the others",
    disagree: "recordings disagree",
    disagreeMore: ({ agreement }) =>
      `One of the recordings agrees with the others by ${agreement} only. Listen to them, and ` +
      "take out what is another voice or hard to understand.",
    shortSpeech: "This recording has less than 1.5 s of speech, which tells little of a voice. " +
      "Decide on a longer one.",
    otherVoice: ({ agreement, limit }) =>
      `Another voice: agrees with the others by ${agreement} only, ${limit} is needed`,
    enrolledElsewhere: "Already an enrollment of somebody else:",
    silent: "Nothing can be heard in it",
    tooShort: "Too little speech in it: at least 0.2 s is needed, and several seconds are better",
    anyway: "Enroll it all the same",
    again: "Try again",
    dropToEnroll: ({ name }) => `Drop here to enroll it as ${name}`,
    dropToVerify: ({ name }) => `Drop here to ask whether it is ${name}`,
    detached: ({ name }) => `${name} is no longer an enrollment. The clip stays in the library.`,
    undo: "Undo",

    enrollTitle: "Enroll somebody",
    enrollHow: "Who is it? Recordings of the voice come next.",
    enrollWith: ({ name }) => `Who is it? It begins with ${name}.`,
    nameOf: "Name",
    idOf: "Id",
    idNote: "Letters, digits, - and _. It stands in addresses and can't be changed later.",
    idStays: ({ id }) => `The id stays ${id}.`,
    goOn: "Go on",
    lookAt: ({ id }) => `Go to ${id}, to add recordings there`,
    rename: "Rename this speaker",
    save: "Save",
    deleteThis: "Delete this speaker",
    delete: "Delete",
    deleteTitle: ({ name }) => `Delete ${name}?`,
    deleteWhat: ({ name }) =>
      `${name} will no longer be recognised. The recordings stay in the library.`,
    deleteClips: ({ count }) =>
      count === 1
        ? "Delete the recording, too, for good"
        : `Delete the ${count} recordings, too, for good`,
    deleted: ({ name }) => `${name} is deleted.`,
  },
  zh: {
    title: "说话人",
    forSounds:
      "这个库用于声响：它的模型分辨听到的是什么，不分辨谁在说话。请在用于人声的库里登记说话人。",
    noneForVoices: "这里没有用于人声的库。请建一个，再在其中登记说话人。",
    enrolled: "已登记",
    enrollSomebody: "登记一个人",
    find: "按名称或标识查找",
    pages: "说话人分页",
    recordings: ({ count }) => `${count} 段录音`,
    speech: ({ seconds }) => `语音 ${seconds} 秒`,
    wanted: ({ seconds }) => `再有 ${seconds} 秒会更好`,
    enough: "已足够",
    notEnrolled: "还没有声音",
    STATE_CREATING: "正在登记",
    STATE_UPDATING: "正在更新",
    STATE_DELETING: "正在删除",
    noSpeakers: "还没有登记任何人",
    noSpeakersMore: "用几段录音登记一个人的声音，之后本页就能说出一段声音是谁的。",
    noSuch: "没有这样的人",
    noSuchMore: "这个库里没有名称或标识包含这些字。",
    moreFound: ({ count }) => `还有 ${count} 位：请多输入几个字`,
    foundSpeakers: ({ count }) => `找到 ${count} 位说话人`,
    dropAnywhere: "松开即可听出是谁的声音",
    noSounds: "这些文件里没有声音。",
    soManyOnly: ({ count }) => `文件太多：只取前 ${count} 个。`,

    identity: "是谁的声音",
    matches: "可能的说话人",
    isSpeaker: ({ name }) => `这是 ${name}`,
    isLikely: ({ name }) => `最可能是 ${name}`,
    isNobody: "不是任何已登记的人",
    nobodyToCompare: "没有可以比较的人。",
    bestOf: ({ count, score }) => `与 ${count} 位说话人比较，最高的也不够：${score}。`,
    amongSpeakers: ({ count }) => `与 ${count} 位说话人作了比较。`,
    enrollOther: "是另一个人？登记这个声音",
    enrollThis: "登记这个声音",
    enrollAs: ({ name }) => `把这段录音加入 ${name} 的登记`,
    strangers: ({ count, rate }) => `陌生人被认作这 ${count} 位说话人之一的情况至多 ${rate}。`,

    noStrangerKept: ({ count }) => `在 ${count} 位说话人中，这个阈值挡不住陌生人：请选更高的。`,
    likelier: ({ times }) => `是此人的可能性为陌生人的 ${times} 倍`,
    unlikelier: ({ times }) => `是陌生人的可能性为 ${times} 倍`,
    evenly: "与陌生人同样可能",
    overMillion: "一百万以上",
    cosineIs: ({ score }) => `得分 ${score}`,
    ratioAndCosine: ({ likelihood, score }) => `${likelihood}，得分 ${score}`,
    byDefault: ({ value }) =>
      `由默认阈值（得分 ${value}）判定：这个库没有校准，因此不知道会错多少。`,
    toCalibration: "校准这个库",
    byCosine: ({ likelihood, value }) =>
      `判定为此人的下限：${likelihood}（对数似然比 ${value}，依据这个库的校准）。`,
    byNormalized: ({ likelihood, value }) =>
      `判定为此人的下限：${likelihood}（对数似然比 ${value}，依据这个库对归一化得分的校准）。`,
    expected: ({ miss, falseAlarm }) =>
      `预期：本人的录音有 ${miss} 被拒绝，与他人声音的比较有 ${falseAlarm} 被误认。`,

    decision: "判定",
    accept: "通过",
    reject: "拒绝",
    acceptMore: ({ name }) => `这是 ${name} 的声音。`,
    rejectMore: ({ name }) => `这不是 ${name} 的声音。`,

    all: "所有说话人",
    recordingsFact: "录音",
    speechFact: "语音",
    made: "登记于",
    draftMore: "这个名称下还没有登记任何人，第一段录音即完成登记。",
    enrolling: "登记进度",
    outcomes: "各段录音的结果",
    closeOutcomes: "关闭这个列表",
    enrolledOf: ({ enrolled, all }) => `${all} 段录音中已登记 ${enrolled} 段`,
    waiting: "等待中",
    sending: "正在听…",
    FIT_FIRST: "已登记",
    FIT_GOOD: ({ agreement }) => `已登记；与其他录音的一致度 ${agreement}`,
    FIT_LOW: ({ agreement }) =>
      `已登记，但与其他录音的一致度只有 ${agreement}：请听一听是不是同一个声音`,
    FIT_TOO_SHORT: "已登记；语音太少，看不出是否与其他录音一致",
    disagree: "录音不一致",
    disagreeMore: ({ agreement }) =>
      `其中一段录音与其他录音的一致度只有 ${agreement}。请听一听，移除不是这个声音或听不清的录音。`,
    shortSpeech: "这段录音的语音不足 1.5 秒，很难据此判断是谁的声音，请用更长的录音判定。",
    otherVoice: ({ agreement, limit }) =>
      `是另一个声音：与其他录音的一致度只有 ${agreement}，至少需要 ${limit}`,
    enrolledElsewhere: "已经是另一个人的登记录音：",
    silent: "里面什么也听不到",
    tooShort: "语音太少：至少需要 0.2 秒，几秒更好",
    anyway: "仍然登记",
    again: "重试",
    dropToEnroll: ({ name }) => `拖到这里，登记为 ${name}`,
    dropToVerify: ({ name }) => `拖到这里，询问是不是 ${name}`,
    detached: ({ name }) => `${name} 不再是登记录音，片段仍在库里。`,
    undo: "撤销",

    enrollTitle: "登记一个人",
    enrollHow: "是谁？接下来提供这个声音的录音。",
    enrollWith: ({ name }) => `是谁？将从 ${name} 开始。`,
    nameOf: "名称",
    idOf: "标识",
    idNote: "字母、数字、- 和 _。它出现在地址里，以后不能更改。",
    idStays: ({ id }) => `标识仍是 ${id}。`,
    goOn: "继续",
    lookAt: ({ id }) => `前往 ${id}，在那里添加录音`,
    rename: "重命名这位说话人",
    save: "保存",
    deleteThis: "删除这位说话人",
    delete: "删除",
    deleteTitle: ({ name }) => `删除 ${name}？`,
    deleteWhat: ({ name }) => `之后不再识别 ${name}，录音仍留在库里。`,
    deleteClips: ({ count }) => `同时永久删除 ${count} 段录音`,
    deleted: ({ name }) => `已删除 ${name}。`,
  },
};

/** Words of the boxes for sounds, where they differ from those of the page Search. */
export const identifyBox = {
  en: {
    ...search.en,
    query: "Sound to tell the voice of",
    dropHere: "Whose voice is this? Drop it here",
    chooseHere: "Whose voice is this? Choose or record it",
    recorded: "Recorded. Comparing.",
    stop: "Stop and compare",
    kinds: "A few seconds of one voice are best; any format, up to two hours",
    asking: "Comparing…",
  },
  zh: {
    ...search.zh,
    query: "要辨认的声音",
    dropHere: "这是谁的声音？把它拖到这里",
    chooseHere: "这是谁的声音？选择或录下来",
    recorded: "录好了，正在比较。",
    stop: "停止并比较",
    kinds: "一个人几秒钟的语音最好；格式不限，最长两小时",
    asking: "正在比较…",
  },
};

export const verifyBox = {
  en: {
    ...identifyBox.en,
    query: ({ name }) => `Sound to compare with ${name}`,
    dropHere: ({ name }) => `Is it ${name}?`,
    chooseHere: ({ name }) => `Is it ${name}?`,
    kinds: "Answers whether a recording is this voice, and keeps nothing",
  },
  zh: {
    ...identifyBox.zh,
    query: ({ name }) => `要与 ${name} 比较的声音`,
    dropHere: ({ name }) => `是 ${name} 吗？`,
    chooseHere: ({ name }) => `是 ${name} 吗？`,
    kinds: "回答一段录音是不是这个声音，什么都不会保存",
  },
};

export const enrollBox = {
  en: {
    ...search.en,
    query: "Recordings to enroll with",
    dropHere: "Add recordings of this voice",
    chooseHere: "Add recordings of this voice",
    choose: "Choose files",
    recorded: "Recorded. Enrolling.",
    stop: "Stop and enroll",
    kinds: "One voice alone; 20 s in all are enough",
  },
  zh: {
    ...search.zh,
    query: "用来登记的录音",
    dropHere: "添加这个声音的录音",
    chooseHere: "添加这个声音的录音",
    choose: "选择文件",
    recorded: "录好了，正在登记。",
    stop: "停止并登记",
    kinds: "只有一个人的声音；一共 20 秒就够",
  },
};
