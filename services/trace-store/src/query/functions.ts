// The functions that a tenant's SQL may use: pure computation over its arguments. What is not listed is refused; so are functions
// that read settings, files, dictionaries, other tables or the server, that take another function's name as text, that wait, or that take
// the square of a text's length (no time limit is looked at within a call).
//
// Some take the name of a time zone or of a type as text. ClickHouse opens a file for a time zone named `file:…`, and makes the state of an
// aggregate from bytes for a type named so: such names are literals here, and of known shape.

const plain = `
  abs divide gcd ifNotFinite intDiv intDivOrZero isFinite isInfinite isNaN lcm max2 min2 minus modulo moduloOrZero multiply negate plus
  positiveModulo
  bitAnd bitCount bitNot bitOr bitShiftLeft bitShiftRight bitTest bitXor
  equals greater greaterOrEquals less lessOrEquals notEquals isDistinctFrom isNotDistinctFrom in notIn nullIn notNullIn exists between
  if multiIf greatest least clamp and or not xor
  assumeNotNull coalesce ifNull isNotNull isNull isZeroOrNull nullIf toNullable
  ceil ceiling floor round roundBankers roundDown trunc truncate
  acos asin atan atan2 cbrt cos e erf exp exp10 exp2 hypot log log10 log1p log2 ln pi pow power sign sin sqrt tan tanh degrees radians
  array arrayAll arrayAvg arrayCompact arrayConcat arrayCount arrayCumSum arrayDifference arrayDistinct arrayElement arrayElementOrNull
  arrayEnumerate arrayExcept arrayExists arrayFilter arrayFirst arrayFirstIndex arrayFirstOrNull arrayFlatten arrayFold arrayIntersect
  arrayJoin arrayLast arrayLastIndex arrayLastOrNull arrayMap arrayMax arrayMin arrayPopBack arrayPopFront arrayProduct arrayPushBack
  arrayPushFront arrayReverse arrayReverseSort arraySlice arraySort arraySplit arrayStringConcat arraySum arrayUniq arrayZip countEqual
  empty has hasAll hasAny hasSubstr indexOf length notEmpty range reverse
  map mapContains mapContainsKey mapFilter mapFromArrays mapKeys mapSort mapValues
  tuple tupleElement tupleConcat lambda
  addDays addHours addInterval addMinutes addMonths addSeconds addWeeks addYears age dateAdd dateSub date_add date_sub dateDiff date_diff
  dateName dateTrunc date_trunc formatDateTime fromUnixTimestamp fromUnixTimestamp64Micro fromUnixTimestamp64Milli
  fromUnixTimestamp64Nano makeDate makeDateTime monthName now now64
  subtractDays subtractHours subtractMinutes subtractMonths subtractSeconds subtractWeeks subtractYears timeSlot toDayOfMonth toDayOfWeek
  toDayOfYear toHour toISOWeek toISOYear toLastDayOfMonth toMillisecond toMinute toMonday toMonth toQuarter toSecond toStartOfDay
  toStartOfFifteenMinutes toStartOfFiveMinutes toStartOfHour toStartOfInterval toStartOfMinute toStartOfMonth toStartOfQuarter
  toStartOfSecond toStartOfTenMinutes toStartOfWeek toStartOfYear toTimezone toUnixTimestamp toUnixTimestamp64Milli toWeek toYYYYMM
  toYYYYMMDD toYear today yesterday year month day hour minute second quarter week
  toIntervalSecond toIntervalMinute toIntervalHour toIntervalDay toIntervalWeek toIntervalMonth toIntervalQuarter toIntervalYear
  toIntervalMillisecond
  CAST _CAST accurateCast accurateCastOrNull toBool toDate toDate32 toDateOrNull toDateTime toDateTime64 toDateTimeOrNull toDateTime64OrNull
  toDecimal32 toDecimal64 toDecimal128 toFixedString toFloat32 toFloat64 toFloat64OrNull toFloat64OrZero toInt8 toInt16 toInt32
  toInt32OrNull toInt32OrZero toInt64 toInt64OrNull toInt64OrZero toString toUInt8 toUInt16 toUInt32 toUInt32OrNull toUInt32OrZero toUInt64
  toUInt64OrNull toUInt64OrZero toLowCardinality parseDateTimeBestEffort parseDateTimeBestEffortOrNull parseDateTime64BestEffort
  parseDateTime64BestEffortOrNull toTypeName
  JSONExtract JSONExtractArrayRaw JSONExtractBool JSONExtractFloat JSONExtractInt JSONExtractKeys JSONExtractKeysAndValues
  JSONExtractKeysAndValuesRaw JSONExtractRaw JSONExtractString JSONExtractUInt JSONHas JSONKey JSONLength JSONType JSON_EXISTS JSON_QUERY
  JSON_VALUE isValidJSON simpleJSONExtractBool simpleJSONExtractFloat simpleJSONExtractInt simpleJSONExtractRaw simpleJSONExtractString
  simpleJSONExtractUInt simpleJSONHas toJSONString visitParamExtractString visitParamExtractInt visitParamHas
  ascii basename base64Decode base64Encode bin char concat concatWithSeparator concat_ws endsWith firstLine format
  formatReadableSize formatReadableQuantity formatReadableTimeDelta hex unhex initcap isValidUTF8 left lengthUTF8 char_length
  character_length lower lowerUTF8 lcase upper upperUTF8 ucase leftPad rightPad lpad rpad ltrim rtrim trim trimBoth trimLeft trimRight
  repeat replaceAll replace replaceOne replaceRegexpAll replaceRegexpOne regexp_replace reverseUTF8 right soundex space startsWith
  substring substr mid substringIndex substringUTF8 toValidUTF8 translate normalizeUTF8NFC
  countMatches countSubstrings extract extractAll extractAllGroupsHorizontal extractAllGroupsVertical extractGroups hasSubsequence hasToken
  hasTokenCaseInsensitive ilike like locate match multiMatchAny multiSearchAny multiSearchAnyCaseInsensitive ngramDistance notILike notLike
  position positionCaseInsensitive positionUTF8 regexpExtract
  alphaTokens splitByChar splitByNonAlpha splitByRegexp splitByString splitByWhitespace tokens ngrams
  bar transform materialize identity ignore
  rank dense_rank denseRank row_number percent_rank percentRank cume_dist ntile lag lead lagInFrame leadInFrame first_value last_value
  nth_value
  cityHash64 sipHash64 xxHash64 MD5 SHA1 SHA256 CRC32 grouping
`;

const aggregates = `
  any anyHeavy anyLast any_value argMax argMin avg avgWeighted corr count covarPop covarSamp entropy exponentialMovingAverage groupArray
  groupArrayLast groupArrayMovingAvg groupArrayMovingSum groupArraySample groupArraySorted groupBitAnd groupBitOr groupBitXor groupConcat
  groupUniqArray group_concat histogram kurtPop kurtSamp max maxIntersections median min quantile quantileDeterministic quantileExact
  quantileExactWeighted quantileTDigest quantileTiming quantiles quantilesExact quantilesTDigest quantilesTiming retention
  sequenceCount sequenceMatch simpleLinearRegression singleValueOrNull skewPop skewSamp sparkbar stddevPop stddevSamp sum sumCount sumKahan
  sumMap topK topKWeighted uniq uniqCombined uniqCombined64 uniqExact uniqHLL12 varPop varSamp windowFunnel
`;

const combinators = /(?:if|array|distinct|ordefault|ornull|foreach|map|argmin|argmax)$/;
const combinatorsMax = 3;

const names = (text: string) => text.trim().split(/\s+/);
const words = (text: string) => new Set(names(text.toLowerCase()));
/** As they are written. */
export const functionNames = { plain: names(plain), aggregates: names(aggregates) } as const;
const allowedPlain = words(plain);
const allowedAggregates = words(aggregates);

/** Names of functions are compared without case; an aggregate may carry combinators (`countIf`, `sumDistinct`). */
export function isAllowedFunction(name: string): boolean {
  let base = name.toLowerCase();
  if (allowedPlain.has(base)) return true;
  for (let stripped = 0; stripped <= combinatorsMax; stripped++) {
    if (allowedAggregates.has(base)) return true;
    const shorter = base.replace(combinators, '');
    if (shorter === base) return false;
    base = shorter;
  }
  return false;
}

/** From which argument on (from 0) a function may take a time zone: what stands there is a literal. */
const timeZoneAt: ReadonlyMap<string, number> = new Map(
  Object.entries({
    0: 'now today yesterday',
    1: `now64 toTimezone toDate toDate32 toDateOrNull toDateTime toDateTimeOrNull toString toUnixTimestamp parseDateTimeBestEffort
      parseDateTimeBestEffortOrNull fromUnixTimestamp64Micro fromUnixTimestamp64Milli fromUnixTimestamp64Nano toDayOfMonth toDayOfWeek toDayOfYear toHour toISOWeek toISOYear
      toLastDayOfMonth toMillisecond toMinute toMonday toMonth toQuarter toSecond toStartOfDay toStartOfFifteenMinutes
      toStartOfFiveMinutes toStartOfHour toStartOfMinute toStartOfMonth toStartOfQuarter toStartOfSecond toStartOfTenMinutes
      toStartOfWeek toStartOfYear toWeek toYYYYMM toYYYYMMDD toYear year month day hour minute second quarter week monthName timeSlot`,
    2: `toDateTime64 toDateTime64OrNull formatDateTime fromUnixTimestamp dateName dateTrunc date_trunc toStartOfInterval
      parseDateTime64BestEffort parseDateTime64BestEffortOrNull addDays addHours addInterval addMinutes addMonths addSeconds addWeeks
      addYears subtractDays subtractHours subtractMinutes subtractMonths subtractSeconds subtractWeeks subtractYears`,
    3: 'dateDiff date_diff age dateAdd dateSub date_add date_sub',
    6: 'makeDateTime',
  }).flatMap(([at, names]) => [...words(names)].map((name): [string, number] => [name, Number(at)])),
);

export function firstTimeZoneArgument(name: string): number | undefined {
  return timeZoneAt.get(name.toLowerCase());
}

const typeTakers = words('CAST _CAST accurateCast accurateCastOrNull JSONExtract JSONExtractKeysAndValues');

/** Whether the last argument names a type. */
export function takesType(name: string): boolean {
  return typeTakers.has(name.toLowerCase());
}

export function isTimeZone(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/.test(text);
}

export const typeNames = names(`
  UInt8 UInt16 UInt32 UInt64 UInt128 UInt256 Int8 Int16 Int32 Int64 Int128 Int256 Float32 Float64 Bool String FixedString UUID IPv4 IPv6
  Date Date32 DateTime DateTime64 Decimal Decimal32 Decimal64 Decimal128 Enum8 Enum16 Nothing Array Tuple Map Nullable LowCardinality
`);
const types = words(`${typeNames.join(' ')} Boolean`);

/** A type of plain values; the elements of a Tuple may have names, which stand in front of a type. */
export function isPlainType(text: string): boolean {
  const unquoted = text.replace(/'[^'\\:/]*(?:\/[^'\\:/]+)*'/g, '');
  if (!/^[A-Za-z0-9_(), =+-]*$/.test(unquoted)) return false;
  return [...unquoted.matchAll(/([A-Za-z]\w*)(?! +[A-Za-z]|\w)/g)].every(([, type]) => types.has(type!.toLowerCase()));
}
