import Support
import Testing

@Suite struct CivilDateTests {
    @Test(arguments: [
        (0, 1970, 1, 1), (-1, 1969, 12, 31), (59, 1970, 3, 1), (11_016, 2000, 2, 29), (11_017, 2000, 3, 1),
        (20_778, 2026, 11, 21), (47_540, 2100, 2, 28), (47_541, 2100, 3, 1), (-719_468, 0, 3, 1),
        (-719_529, -1, 12, 31),
    ])
    func knownDays(days: Int, year: Int, month: Int, day: Int) {
        #expect(CivilDate(daysSinceEpoch: days) == CivilDate(year: year, month: month, day: day))
        #expect(CivilDate(year: year, month: month, day: day).daysSinceEpoch == days)
    }

    /// More than one period of 400 years on either side of the year 0 and of today.
    @Test func everyDayFollowsTheOneBefore() {
        var before = CivilDate(daysSinceEpoch: -900_001)
        for days in -900_000...200_000 {
            let date = CivilDate(daysSinceEpoch: days)
            guard date.daysSinceEpoch == days else {
                Issue.record("\(days) comes back as \(date.daysSinceEpoch)")
                return
            }
            let isNextDay = date.day == before.day + 1 && date.month == before.month && date.year == before.year
            let isNextMonth = date.day == 1 && (28...31).contains(before.day)
            let monthsLater = (date.year - before.year) * 12 + date.month - before.month
            guard isNextDay || (isNextMonth && monthsLater == 1) else {
                Issue.record("\(before), then \(date)")
                return
            }
            before = date
        }
    }

    @Test func aDayThatItsMonthDoesNotHaveIsOneOfTheNext() {
        let date = CivilDate(year: 2026, month: 2, day: 30)
        #expect(CivilDate(daysSinceEpoch: date.daysSinceEpoch) == CivilDate(year: 2026, month: 3, day: 2))
    }
}
