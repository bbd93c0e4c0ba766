import SwitchbackTraining
import Testing

@Suite struct TileTuningTests {
  private func measured(_ microseconds: [Int: Double]) -> TileTuning.Measurement {
    var measurement = TileTuning.Measurement()
    measurement.microseconds = microseconds
    return measurement
  }

  @Test("each number of columns gets its fastest tile, and another than the class's only for three percent")
  func choice() {
    let base = measured([8: 100, 16: 100, 32: 100])
    let found = [
      (tile: "a", measurement: measured([8: 90, 16: 98, 32: 120])), (tile: "b", measurement: measured([8: 80])),
    ]
    let (tiles, gains) = TileTuning.choice(base, found)
    #expect(tiles == "8:b 16:default 32:default")
    #expect(gains == [8: 1.25, 16: 1, 32: 1])
  }

  @Test("where nothing is faster there is nothing to write down")
  func nothing() {
    #expect(TileTuning.choice(measured([8: 100]), [(tile: "a", measurement: measured([8: 99]))]).tiles == "")
  }

  @Test("candidates are told apart")
  func candidates() { #expect(Set(TileTuning.candidates).count == TileTuning.candidates.count) }
}
