import Foundation
import SwitchbackNeuralNetworks
import Testing

@Suite("Schedules")
struct ScheduleTests {
  @Test("a literal is a constant rate")
  func constant() {
    let schedule: Schedule = 0.1
    #expect(schedule(0) == 0.1 && schedule(10_000) == 0.1)
  }

  @Test("piecewise constant holds a value up to and including its boundary")
  func piecewise() throws {
    let schedule = try Schedule.piecewiseConstant(boundaries: [3, 6], values: [1, 0.5, 0.1])
    #expect([0, 3, 4, 6, 7, 99].map { schedule($0) } == [1, 1, 0.5, 0.5, 0.1, 0.1])
    #expect(errorText { _ = try Schedule.piecewiseConstant(boundaries: [3], values: [1]) }.contains("one value more"))
  }

  @Test("step and exponential follow their powers")
  func exponential() {
    let step = Schedule.step(initialLearningRate: 1, factor: 0.5, every: 10)
    #expect([0, 9, 10, 25].map { step($0) } == [1, 1, 0.5, 0.25])
    let smooth = Schedule.exponential(initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.5)
    for update in [0, 3, 10, 40] { #expect(abs(smooth(update) - 0.1 * pow(0.5, Double(update) / 10)) < 1e-15) }
  }

  @Test("cosine goes from the initial rate to alpha times it")
  func cosine() {
    let schedule = Schedule.cosine(initialLearningRate: 2, decaySteps: 100, alpha: 0.1)
    #expect(schedule(0) == 2)
    #expect(abs(schedule(50) - 1.1) < 1e-12)
    #expect(abs(schedule(100) - 0.2) < 1e-12 && schedule(1000) == schedule(100))
  }

  @Test("warm-up is a straight line into the start of the next schedule")
  func warmup() {
    let next = Schedule.cosine(initialLearningRate: 1, decaySteps: 10)
    let schedule = Schedule.linearWarmup(steps: 4, then: next)
    #expect([0, 1, 2, 3, 4].map { schedule($0) } == [0, 0.25, 0.5, 0.75, 1])
    #expect(schedule(9) == next(5))
    #expect(Schedule.linearWarmup(steps: 0, then: 0.3)(0) == 0.3)
  }

  @Test("one-cycle gives PyTorch's rates")
  func oneCycle() {
    let schedule = Schedule.oneCycle(maximumLearningRate: 0.5, totalSteps: 20)
    // torch.optim.lr_scheduler.OneCycleLR(max_lr=0.5, total_steps=20, pct_start=0.3), PyTorch 2.13
    let golden: [Double] = [
      0.02, 0.06583592135001265, 0.18583592135001265, 0.3341640786499874,
      0.45416407864998737, 0.5, 0.49373200311754367, 0.47524231600673683,
      0.445458088785525, 0.40587282697488153, 0.3584715008956504, 0.30563101096814466,
      0.250001, 0.19437098903185537, 0.14153049910434962, 0.09412917302511849,
      0.05454391121447502, 0.024759683993263143, 0.006269996882456277, 2e-06,
    ]
    for (update, rate) in golden.enumerated() { #expect(abs(schedule(update) - rate) < 1e-12) }
    #expect(schedule(25) == schedule(19))
  }

  @Test("reduce on plateau waits, reduces, cools down and respects the floor")
  func plateau() {
    var plateau = ReduceOnPlateau(factor: 0.5, patience: 2, cooldown: 1, minimumLearningRate: 0.3)
    #expect([1, 0.9, 0.9, 0.89995].map { plateau.observe($0) } == [false, false, false, true])
    #expect(plateau.learningRate(1) == 0.5)
    // One observation of cooling, then two without improvement.
    #expect([0.9, 0.9, 0.9].map { plateau.observe($0) } == [false, false, true])
    #expect(plateau.learningRate(1) == 0.3)
    #expect(plateau.learningRate(0.1) == 0.1)
    #expect(plateau.observe(0.1) == false)
  }

  @Test("a cooldown of n leaves out n observations", arguments: 0...3)
  func cooldown(count: Int) {
    var plateau = ReduceOnPlateau(factor: 0.5, patience: 1, cooldown: count)
    let reduced = (0..<10).map { _ in plateau.observe(1) }
    // The first observation is the best so far, the second is one too many.
    #expect(reduced == (0..<10).map { $0 > 0 && ($0 - 1) % (count + 1) == 0 })
  }

  @Test("what the minimum holds is not reduced")
  func minimum() {
    var plateau = ReduceOnPlateau(factor: 0.5, patience: 1, minimumLearningRate: 0.4)
    #expect((0..<5).map { _ in plateau.observe(1, scheduled: 1) } == [false, true, true, false, false])
    #expect(plateau.learningRate(1) == 0.4 && plateau.scale == 0.25)
    var constant = ReduceOnPlateau(factor: 1, patience: 1)
    #expect((0..<3).map { _ in constant.observe(1, scheduled: 1) } == [false, false, false])
  }

  @Test("other settings go on with what was observed and reduced")
  func continuing() {
    var earlier = ReduceOnPlateau(factor: 0.5, patience: 2)
    for loss in [1.0, 1, 1, 1] { earlier.observe(loss) }
    var next = ReduceOnPlateau(factor: 0.1, patience: 3, minimumDelta: 0.5).continuing(earlier)
    #expect(next.scale == 0.5 && next.patience == 3 && next.factor == 0.1)
    // One observation was borne before; 0.9 is no gain of 0.5.
    #expect([0.9, 0.9].map { next.observe($0) } == [false, true])
    #expect(abs(next.scale - 0.05) < 1e-12)
    // Of another number nothing was the best yet.
    var other = ReduceOnPlateau(factor: 0.1, patience: 3).continuing(earlier, isSameNumber: false)
    #expect([7.0, 7, 7].map { other.observe($0) } == [false, false, false] && other.scale == 0.5)
  }

  @Test("the plateau's memory survives a checkpoint")
  func plateauCodable() throws {
    var plateau = ReduceOnPlateau(patience: 3, isMaximized: true)
    for accuracy in [0.5, 0.6, 0.6] { plateau.observe(accuracy) }
    var restored = try JSONDecoder().decode(ReduceOnPlateau.self, from: JSONEncoder().encode(plateau))
    #expect(restored == plateau)
    #expect([0.6, 0.6].map { restored.observe($0) } == [false, true])
  }
}
