"""What is said in the calls of the installation that the pictures show: (speaker, words) in their order."""

from typing import Any

Said = tuple[tuple[str, str], ...]

BOOKED: Said = (
    ("agent", "Hello, this is the restaurant Blue Door. How can I help you?"),
    ("user", "Good evening. I would like to book a table for four people, please, tomorrow evening at eight."),
    ("agent", "One moment, let me look. Yes, tomorrow at eight I have a table for four. What name shall I"),
    ("user", "Could we sit outside, if the weather allows it?"),
    ("agent", "Of course, I have noted a table on the terrace. What is your name, please?"),
    ("user", "Miller. Anna Miller."),
    ("agent", "Thank you, Ms. Miller. A table for four on the terrace, tomorrow at eight."),
    ("user", "Wonderful. One of us eats no gluten, is that a problem?"),
    ("agent", "Not at all, half of our menu is free of gluten. I have told the kitchen."),
    ("user", "Great, thank you. Good-bye."),
    ("agent", "We look forward to seeing you. Good-bye, Ms. Miller."),
)
OPENING: Said = (
    ("agent", "Hello, this is the restaurant Blue Door. How can I help you?"),
    ("user", "Hi, are you open on Monday?"),
    ("agent", "On Mondays we rest. From Tuesday to Sunday we are open from six to eleven."),
    ("user", "Then I will come on Tuesday. Bye!"),
)
CANCELED: Said = (
    ("agent", "Hello, this is the restaurant Blue Door. How can I help you?"),
    ("user", "I have to cancel my table for tonight, I am so sorry. The name is Okafor."),
    ("agent", "Thank you for telling us, Mr. Okafor. Your table for tonight is canceled."),
    ("user", "Thanks. Another time!"),
)
APPOINTMENT: Said = (
    ("agent", "Harbour Clinic, good morning. What can I do for you?"),
    ("user", "My knee hurts since Sunday, and I would like to see somebody this week."),
    ("agent", "I am sorry to hear that. On Thursday at half past nine Dr. Lang is free. Does that suit you?"),
    ("user", "Yes, that is fine."),
    ("agent", "Then I expect you on Thursday at half past nine. Please bring your insurance card."),
)
REMINDER: Said = (
    ("agent", "Good morning, this is Harbour Clinic. I call to remind you of your appointment tomorrow at ten."),
    ("user", "Oh, thank you. Could it be a little later?"),
    ("agent", "At a quarter past eleven there is a place. Shall I move it?"),
    ("user", "Please do."),
)

# After a call of each: the summary with its sentiment, the data, and the verdict.
FOUND: dict[Said, dict[str, dict[str, Any]]] = {
    BOOKED: {
        "summary": {
            "summary": "Anna Miller booked a table for four on the terrace for tomorrow at eight. One of her guests "
            "eats no gluten; the kitchen knows.",
            "sentiment": "positive",
        },
        "extraction": {"caller_name": "Anna Miller", "people": 4, "time": "tomorrow, 20:00", "outside": True},
        "evaluation": {"passed": True, "score": 1.0, "reasoning": "It greeted, looked into the book and repeated all."},
    },
    OPENING: {
        "summary": {"summary": "The caller asked for the opening hours and comes on Tuesday.", "sentiment": "neutral"},
        "extraction": {"caller_name": None, "people": None, "time": None},
        "evaluation": {"passed": True, "score": 0.8, "reasoning": "The agent named the hours, but offered no table."},
    },
    CANCELED: {
        "summary": {"summary": "Mr. Okafor canceled his table for tonight.", "sentiment": "negative"},
        "extraction": {"caller_name": "Okafor", "people": None, "time": "tonight"},
        "evaluation": {"passed": False, "score": 0.4, "reasoning": "The agent did not offer another day."},
    },
    APPOINTMENT: {
        "summary": {
            "summary": "Somebody with a painful knee comes to Dr. Lang on Thursday at 9:30.",
            "sentiment": "neutral",
        },
        "evaluation": {"passed": True, "score": 1.0, "reasoning": "Sympathy, a time, and what to bring."},
    },
    REMINDER: {
        "summary": {"summary": "The appointment was moved to a quarter past eleven.", "sentiment": "positive"},
        "evaluation": {"passed": True, "score": 0.9, "reasoning": "The appointment was named and moved."},
    },
}
