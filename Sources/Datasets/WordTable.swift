/// Words by their bytes, numbered in the order in which they come.
struct WordTable: Sendable {
  private var bytes: [UInt8] = []
  /// Where each word ends in them.
  private var ends: [Int] = []
  /// Of each place the number of a word, or −1: a power of two, at most half of them taken.
  private var places: [Int]

  init() { places = [Int](repeating: -1, count: 1 << 4) }

  /// What comes twice has the number of the first.
  init(_ words: [String]) {
    self.init()
    for word in words { word.withBytes { _ = number(inserting: $0) } }
  }

  var count: Int { ends.count }

  /// The bytes of a word.
  subscript(_ number: Int) -> ArraySlice<UInt8> { bytes[(number == 0 ? 0 : ends[number - 1])..<ends[number]] }

  /// Allocates nothing.
  func number(of word: UnsafeBufferPointer<UInt8>) -> Int? {
    let number = places[place(of: word)]
    return number < 0 ? nil : number
  }

  mutating func number(inserting word: UnsafeBufferPointer<UInt8>) -> Int {
    var place = place(of: word)
    if places[place] >= 0 { return places[place] }
    if 2 * (count + 1) > places.count {
      grow()
      place = self.place(of: word)
    }
    places[place] = count
    bytes += word
    ends.append(bytes.count)
    return count - 1
  }

  private mutating func grow() {
    places = [Int](repeating: -1, count: 2 * places.count)
    for number in 0..<count {
      let place = self[number].withUnsafeBufferPointer { self.place(of: $0) }
      places[place] = number
    }
  }

  /// Where a word lies or would lie. Nobody can choose words that all lie at one place: the hash has another seed in every
  /// process.
  private func place(of word: UnsafeBufferPointer<UInt8>) -> Int {
    var hasher = Hasher()
    hasher.combine(bytes: UnsafeRawBufferPointer(word))
    var place = hasher.finalize() & (places.count - 1)
    while places[place] >= 0, !self[places[place]].elementsEqual(word) {
      place = (place + 1) & (places.count - 1)
    }
    return place
  }
}

extension String {
  func withBytes<Answer>(_ body: (UnsafeBufferPointer<UInt8>) -> Answer) -> Answer {
    var text = self
    return text.withUTF8(body)
  }
}
